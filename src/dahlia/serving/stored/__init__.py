"""Predictions that are kept: written by the service, read by `dahlia predictions`."""
