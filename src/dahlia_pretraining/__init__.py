"""Pretraining of a backbone on a large labelled corpus; `dahlia pretrain` runs it.

The core does not import it: the bundled weights were made with it, and others can be.
"""
