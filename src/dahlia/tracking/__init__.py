"""Iterations, metrics and publishing, on MLflow."""
