"""Which parts of a photo speak for a tag."""
