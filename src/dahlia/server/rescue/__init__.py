"""A server out of its storage alone: what trainings write of their projects, and the way back from it."""
