"""Which function computes which operation of a program and which layer of a network, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Function = Callable[..., Any]
_Registered = TypeVar("_Registered", bound=Function)
OPERATIONS: dict[str, Function] = {}
LAYERS: dict[str, Function] = {}


class UnsupportedError(Exception):
    """An operation is used in a way that this interpreter does not know; the text says which."""


def operation(*names: str) -> Callable[[_Registered], _Registered]:
    """Register a function under the names of operations of ML programs.

    It is called with the operation's inputs by their names: tensors as float32 (those of half precision
    hold numbers that half precision has), what is written in the program as numpy arrays, numbers, strings.
    """
    return _into(OPERATIONS, names)


def layer(*names: str) -> Callable[[_Registered], _Registered]:
    """Register a function under the names of neural network layers.

    It is called with the layer's own message and its inputs, and returns a tensor, or a list where the
    layer has several outputs.
    """
    return _into(LAYERS, names)


def _into(table: dict[str, Function], names: tuple[str, ...]) -> Callable[[_Registered], _Registered]:
    def register(function: _Registered) -> _Registered:
        for name in names:
            table[name] = function
        return function

    return register


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
