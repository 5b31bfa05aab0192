"""Files that are no longer needed: deleted after a while where that is certain, else listed and kept."""
