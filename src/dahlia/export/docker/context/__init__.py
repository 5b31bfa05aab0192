"""The server in a Docker export; `dahlia.export.docker.port` copies it beside the model."""
