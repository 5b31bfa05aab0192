"""Images in, manifest out."""
