"""Features, heads, folds: from a manifest to a bundle."""
