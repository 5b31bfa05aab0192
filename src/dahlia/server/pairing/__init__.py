"""Database and storage that belong together, and how each notices when it is given another's."""
