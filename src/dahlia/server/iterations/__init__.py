"""Trainings and what came of them: starting, naming, publishing, judging, exporting, deleting."""
