"""Pretraining of a backbone on a large labelled corpus: what `dahlia pretrain` does."""
