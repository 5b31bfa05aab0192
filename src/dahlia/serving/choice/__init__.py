"""Which runtime computes a model fastest here, among those that answer as the trained model does."""
