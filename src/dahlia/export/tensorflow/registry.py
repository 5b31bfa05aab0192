"""Which function writes which operation of torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dahlia.export.tensorflow.values import Shape

Operation = Callable[..., Any]
_Function = TypeVar("_Function", bound=Operation)
OPERATIONS: dict[str, Operation] = {}


class UnsupportedError(Exception):
    """An operation is used in a way that has no TensorFlow form here; the text says which."""


@dataclass(frozen=True)
class Call:
    """What an operation may know beside its arguments.

    Attributes:
        shape: torch's shape of the result (of the first, where there are several).
        batch: the number of images, a scalar of the graph.
    """

    shape: Shape
    batch: Any


def operation(*names: str) -> Callable[[_Function], _Function]:
    """Register a function under torch's names, such as `aten.relu.default`.

    It is called with a `Call` and torch's own arguments: tensors as `Value`, sizes that follow the batch
    as multiples of `BATCH`. It returns a `Value`, or a tuple where torch does.
    """

    def register(function: _Function) -> _Function:
        for name in names:
            OPERATIONS[name] = function
        return function

    return register
