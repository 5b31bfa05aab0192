"""A small function for each operation of ML programs and each layer of neural networks, all registered here.

A layer is mostly an operation whose arguments stand in the layer's message, so both are in one module.
"""

from dahlia.export.coreml.interpreter.operations import activation, arithmetic, convolution, product, shape
from dahlia.export.coreml.interpreter.registry import LAYERS, OPERATIONS

__all__ = ["LAYERS", "OPERATIONS", "activation", "arithmetic", "convolution", "product", "shape"]
