"""The server in a Docker export; `dahlia.export.docker.build_context` copies it beside the model."""
