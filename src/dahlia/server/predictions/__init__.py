"""Predictions: by published and unpublished iterations, kept, queried, suggested for untagged images."""
