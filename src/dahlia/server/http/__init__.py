"""From a request to the router: paths, keys, bodies, replies."""
