"""Tensors of a graph in the making, with the memory order that they have beside torch's.

Torch's axes of an image map are N, C, H, W; TensorFlow holds them as N, H, W, C. A value says which of
torch's axes each of TensorFlow's holds, so a permutation costs nothing, and a real transpose is made only
where an operation needs the numbers in another order. The functions that make values register here under
torch's names of operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from dahlia.export.tensorflow._runtime import tf

Shape = tuple[int, ...]
Order = tuple[int, ...]

# The batch in shapes. A prime larger than any real size, so that multiples of the batch are seen as such.
BATCH = 2**31 - 1
NHWC: Order = (0, 2, 3, 1)


@dataclass(frozen=True)
class Value:
    """A tensor.

    Attributes:
        tensor: of TensorFlow, or of numpy where it is constant. An axis of length 1 stands for one of any
            length whose numbers are all the same: torch's `expand` is not carried out.
        order: for each axis of `tensor`, torch's axis.
        shape: torch's shape; the batch is `BATCH`.
    """

    tensor: Any
    order: Order
    shape: Shape

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def lengths(self) -> tuple[int | None, ...]:
        """Of the axes of `tensor`; `None` where it follows the batch."""
        return tuple(self.tensor.shape)

    def axis(self, dim: int) -> int:
        """Where TensorFlow holds torch's axis `dim`; negative ones count from the end."""
        return self.order.index(dim % self.rank)

    def repeated(self, axis: int) -> bool:
        """Whether the axis of `tensor` stands for a longer one."""
        return self.lengths[axis] == 1 and self.shape[self.order[axis]] != 1


def constant(array: Any) -> Value:
    """A constant, in torch's own order."""
    array = np.asarray(array)
    return Value(array, tuple(range(array.ndim)), array.shape)


def is_constant(value: Value) -> bool:
    """Whether the numbers are known now."""
    return isinstance(value.tensor, np.ndarray)


def is_dynamic(size: int) -> bool:
    """Whether a size follows the batch."""
    return size > 0 and size % BATCH == 0


def reshape(tensor: Any, sizes: Sequence[int | None]) -> Any:
    """Reshape; one size may follow the batch, and is then found by TensorFlow."""
    known = [None if size is None or is_dynamic(size) else size for size in sizes]
    if tuple(tensor.shape) == tuple(known):
        return tensor
    wanted = [-1 if size is None else size for size in known]
    return tensor.reshape(wanted) if isinstance(tensor, np.ndarray) else tf.reshape(tensor, wanted)


def transpose(tensor: Any, axes: Sequence[int]) -> Any:
    """Reorder the axes: by a reshape where only axes of length 1 move, else for real."""
    if list(axes) == list(range(len(axes))):
        return tensor
    lengths = tuple(tensor.shape)
    moving = [axis for axis in axes if lengths[axis] != 1]
    if moving == sorted(moving):
        return reshape(tensor, [lengths[axis] for axis in axes])
    if isinstance(tensor, np.ndarray):
        return np.ascontiguousarray(tensor.transpose(axes))
    return tf.transpose(tensor, axes)


def arrange(value: Value, order: Order) -> Any:
    """The tensor with its axes in this order."""
    return transpose(value.tensor, [value.order.index(axis) for axis in order])


def lift(value: Value, rank: int) -> Value:
    """Axes of length 1 before the first of torch's, as broadcasting adds them."""
    more = rank - value.rank
    if more == 0:
        return value
    order = tuple(range(more)) + tuple(axis + more for axis in value.order)
    return Value(reshape(value.tensor, (1,) * more + value.lengths), order, (1,) * more + value.shape)


def align(values: Sequence[Value], rank: int) -> tuple[list[Any], Order]:
    """The tensors of values of up to `rank` axes in one order, ready to broadcast; and the order.

    It is the order of the largest value that is not constant, since another order would have to be made.
    """
    lifted = [lift(value, rank) for value in values]
    leading = max(lifted, key=lambda value: (not is_constant(value), math.prod(value.shape)))
    return [arrange(value, leading.order) for value in lifted], leading.order


def written_out(value: Value, batch: Any, dims: Sequence[int] | None = None) -> Value:
    """Repeat the numbers of axes that stand for longer ones: all, or those of torch's `dims`."""
    chosen = range(value.rank) if dims is None else dims
    axes = [axis for axis in (value.axis(dim) for dim in chosen) if value.repeated(axis)]
    if not axes:
        return value
    counts: list[Any] = [1] * value.rank
    for axis in axes:
        counts[axis] = size_now(value.shape[value.order[axis]], batch)
    if is_constant(value) and all(isinstance(count, int) for count in counts):
        return Value(np.tile(value.tensor, counts), value.order, value.shape)
    return Value(tf.tile(value.tensor, counts), value.order, value.shape)


def size_now(size: int, batch: Any) -> Any:
    """A size as a number, or as a tensor where it follows the batch."""
    return batch * (size // BATCH) if is_dynamic(size) else size


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
