"""An interpreter of what Core ML's files compute, where Core ML itself does not run: numpy alone.

A small function for each operation of ML programs and each layer of neural networks is registered here. A
layer is mostly an operation whose arguments stand in the layer's message, so both are in one module.
"""

from dahlia.export.coreml.interpreter import activation, arithmetic, choice, convolution, products, shape
from dahlia.export.coreml.interpreter.registry import LAYERS, OPERATIONS

__all__ = ["LAYERS", "OPERATIONS", "activation", "arithmetic", "choice", "convolution", "products", "shape"]
