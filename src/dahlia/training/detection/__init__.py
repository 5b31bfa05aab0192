"""Training of detectors: augmented views, kept feature maps, assignment, losses, runs and the recipe."""
