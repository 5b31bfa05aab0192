"""The server: the Custom Vision training API, its store, its files and its jobs."""
