"""One layer of a neural network, with its weights at hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.registry import Array, UnsupportedError


class Layer:
    """A layer's message.

    Args:
        message: a `NeuralNetworkLayer`.

    Attributes:
        kind: the name of the layer's kind, such as `convolution`.
        parameters: the message of that kind.
        inputs: the names of the maps that it reads.
        outputs: the names of those that it makes.
    """

    def __init__(self, message: Any) -> None:
        self.kind = str(message.WhichOneof("layer"))
        self.parameters: Any = getattr(message, self.kind, None)
        self.inputs = tuple(message.input)
        self.outputs = tuple(message.output)
        self._kept: dict[str, Array] = {}

    def numbers(self, name: str, *shape: int, of: Any = None) -> Array:
        """The weights in the field `name`, read once; those of half precision as float32.

        Args:
            name: of the field.
            shape: that they take.
            of: the message that has the field, where it is not the layer's own.
        """
        if name not in self._kept:
            self._kept[name] = _decoded(getattr(of or self.parameters, name)).reshape(shape)
        return self._kept[name]


def _decoded(weights: Any) -> Array:
    if weights.float16Value:
        return np.frombuffer(weights.float16Value, np.float16).astype(np.float32)
    if weights.rawValue or weights.int8RawValue:
        raise UnsupportedError("weights of whole numbers")
    return np.fromiter(weights.floatValue, np.float32, len(weights.floatValue))
