"""The rules of validation: each takes a survey of the dataset and yields findings."""
