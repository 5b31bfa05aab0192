"""What image files say of themselves, a module per format, and what of them a decoder is given."""
