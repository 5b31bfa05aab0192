"""A server in one file: its rows as JSON and its files, the same for SQLite and PostgreSQL."""
