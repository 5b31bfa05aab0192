"""What is published, and the models that are in memory."""
