"""Rebuilding a server from its storage alone: what trainings write about their projects, and reading it back."""
