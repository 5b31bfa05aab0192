"""What a Docker export holds beside its model. `dahlia.export.docker.copying` copies it, imports adjusted."""
