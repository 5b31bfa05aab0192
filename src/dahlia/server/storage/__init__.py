"""Files of the server: images by content, thumbnails, what iterations left; signed links to them."""
