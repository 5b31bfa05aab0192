"""Artifacts and the proof that they compute what was trained."""
