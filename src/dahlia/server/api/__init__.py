"""The operations of the training API, a module per area."""
