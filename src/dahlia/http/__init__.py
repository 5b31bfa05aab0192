"""HTTP for all that answers requests: the prediction service, the server, and the Docker export."""
