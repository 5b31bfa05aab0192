"""The pages that people read: validation and evaluation, of one style."""
