"""One small function per neural network layer; importing this registers them all."""

from dahlia.export.coreml.interpreter.layers import arithmetic, convolution, product, shape
from dahlia.export.coreml.interpreter.registry import LAYERS

__all__ = ["LAYERS", "arithmetic", "convolution", "product", "shape"]
