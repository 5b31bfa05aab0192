"""The server: the Custom Vision training API, its database, its files and its jobs."""
