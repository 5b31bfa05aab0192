"""The operations of the training API, a module per area; Custom Vision does not have those of `own_*`."""
