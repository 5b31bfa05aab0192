"""The prediction service; imports no torch."""
