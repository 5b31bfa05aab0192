"""Held-out predictions in, honest figures out."""
