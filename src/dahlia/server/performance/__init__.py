"""How good an iteration is, at any threshold, from its held-out predictions."""
