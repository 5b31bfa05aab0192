"""Boxes that models found in photos they had not seen, judged against those that people drew."""
