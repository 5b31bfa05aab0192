"""Detectors: feature maps of a backbone, a pyramid, a head; what they say of photos, and their bundle."""
