"""Rebuilding a server from its storage: what trainings write about their projects, and how it is read."""
