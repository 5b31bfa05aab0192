"""Projects and their tags: making, changing, deleting and copying them."""
