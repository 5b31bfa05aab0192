"""The operations that Custom Vision does not have, a module per resource."""
