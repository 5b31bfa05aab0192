"""One small function per operation of ML programs; importing this registers them all."""

from dahlia.export.coreml.interpreter.operations import (
    activation,
    arithmetic,
    convolution,
    product,
    reduction,
    shape,
)
from dahlia.export.coreml.interpreter.registry import OPERATIONS

__all__ = ["OPERATIONS", "activation", "arithmetic", "convolution", "product", "reduction", "shape"]
