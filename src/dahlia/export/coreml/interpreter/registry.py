"""Which function computes which operation of a program, and which layer of a neural network."""

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
