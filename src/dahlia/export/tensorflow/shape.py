"""Operations that move numbers and change none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.values import (
    Call,
    Order,
    Shape,
    UnsupportedError,
    Value,
    arrange,
    is_constant,
    is_dynamic,
    lift,
    operation,
    reshape,
    transpose,
    written_out,
)


@operation("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default")
def view(call: Call, x: Value, size: Sequence[int]) -> Value:
    """The same numbers, read in torch's order, in another shape."""
    del size
    return _viewed(x, call.shape, call.batch)


@operation("aten.permute.default")
def permute(call: Call, x: Value, dims: Sequence[int]) -> Value:
    """Rename the axes; the tensor stays."""
    dims = [dim % x.rank for dim in dims]
    return Value(x.tensor, tuple(dims.index(axis) for axis in x.order), call.shape)


@operation("aten.transpose.int")
def swap_axes(call: Call, x: Value, first: int, second: int) -> Value:
    """Swap two axes."""
    dims = list(range(x.rank))
    dims[first], dims[second] = dims[second], dims[first]
    return permute(call, x, dims)


@operation("aten.t.default")
def matrix_transpose(call: Call, x: Value) -> Value:
    """Swap the axes of a matrix."""
    return permute(call, x, range(x.rank)[::-1])


@operation("aten.unsqueeze.default")
def unsqueeze(call: Call, x: Value, dim: int) -> Value:
    """An axis of length 1, after the one that precedes it in torch."""
    dim %= x.rank + 1
    order = [axis + (axis >= dim) for axis in x.order]
    place = order.index(dim - 1) + 1 if dim else 0
    order.insert(place, dim)
    lengths = list(x.lengths)
    lengths.insert(place, 1)
    return Value(reshape(x.tensor, lengths), tuple(order), call.shape)


@operation("aten.squeeze.dim", "aten.squeeze.dims")
def squeeze(call: Call, x: Value, dims: int | Sequence[int]) -> Value:
    """Drop those of the axes that have length 1."""
    given = [dims] if isinstance(dims, int) else dims
    return _drop(x, [dim % x.rank for dim in given if x.shape[dim] == 1])


def _drop(x: Value, dims: Sequence[int]) -> Value:
    kept = [dim for dim in range(x.rank) if dim not in dims]
    lengths = [length for length, axis in zip(x.lengths, x.order, strict=True) if axis in kept]
    order = tuple(kept.index(axis) for axis in x.order if axis in kept)
    return Value(reshape(x.tensor, lengths), order, tuple(x.shape[dim] for dim in kept))


@operation("aten.expand.default")
def expand(call: Call, x: Value, size: Sequence[int], implicit: bool = False) -> Value:
    """Repeat axes of length 1; nothing is written out; readers broadcast."""
    del size, implicit
    lifted = lift(x, len(call.shape))
    return Value(lifted.tensor, lifted.order, call.shape)


@operation("aten.repeat.default")
def repeat(call: Call, x: Value, counts: Sequence[int]) -> Value:
    """Tiles of the whole."""
    lifted = written_out(lift(x, len(counts)), call.batch)
    if any(is_dynamic(count) for count in counts):
        raise UnsupportedError(f"as many tiles as there are images: {list(counts)}")
    return Value(tf.tile(lifted.tensor, [counts[axis] for axis in lifted.order]), lifted.order, call.shape)


@operation("aten.clone.default", "aten.alias.default", "aten.detach.default", "aten.lift_fresh_copy.default")
def same(call: Call, x: Value, **options: Any) -> Value:
    """The value itself."""
    del call, options
    return x


@operation("aten._to_copy.default")
def convert(call: Call, x: Value, **options: Any) -> Value:
    """The same numbers as another type."""
    del call
    dtype = options.get("dtype")
    if dtype is None:
        return x
    return Value(tf.cast(x.tensor, str(dtype).removeprefix("torch.")), x.order, x.shape)


@operation("aten.slice.Tensor")
def cut(
    call: Call, x: Value, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Value:
    """Every `step`-th from `start` to before `end` along one axis."""
    size = x.shape[dim]
    if call.shape == x.shape:
        return x
    if is_dynamic(size):
        raise UnsupportedError("some of the images of a batch")
    axis = x.axis(dim)
    if x.repeated(axis):
        return Value(x.tensor, x.order, call.shape)
    part = slice(*slice(start, end, step).indices(size))
    return Value(x.tensor[(slice(None),) * axis + (part,)], x.order, call.shape)


@operation("aten.select.int")
def select(call: Call, x: Value, dim: int, index: int) -> Value:
    """One place along an axis."""
    dim, index = dim % x.rank, index % x.shape[dim]
    shape = (*x.shape[:dim], 1, *x.shape[dim + 1 :])
    return _drop(cut(Call(shape, call.batch), x, dim, index, index + 1), [dim])


@operation("aten.split_with_sizes.default")
def split(call: Call, x: Value, sizes: Sequence[int], dim: int = 0) -> tuple[Value, ...]:
    """Neighbouring parts of the given sizes."""
    dim %= x.rank
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    shapes = [(*x.shape[:dim], size, *x.shape[dim + 1 :]) for size in sizes]
    return tuple(
        cut(Call(shape, call.batch), x, dim, start, start + size)
        for shape, start, size in zip(shapes, starts, sizes, strict=True)
    )


@operation("aten.cat.default")
def concatenate(call: Call, parts: Sequence[Value], dim: int = 0) -> Value:
    """Join along one axis, in the order of the first part that is computed."""
    leading = min(parts, key=is_constant)
    written = [written_out(part, call.batch) for part in parts]
    tensors = [arrange(part, leading.order) for part in written]
    return Value(tf.concat(tensors, leading.axis(dim)), leading.order, call.shape)


@operation("aten.flip.default")
def flip(call: Call, x: Value, dims: Sequence[int]) -> Value:
    """Reverse axes."""
    return Value(tf.reverse(x.tensor, [x.axis(dim) for dim in dims]), x.order, call.shape)


@operation("aten.constant_pad_nd.default")
def pad(call: Call, x: Value, amounts: Sequence[int], number: float = 0) -> Value:
    """Numbers around; the amounts begin with torch's last axis."""
    if min(amounts) < 0:
        raise UnsupportedError(f"negative amounts {list(amounts)}")
    dims = range(x.rank - 1, x.rank - 1 - len(amounts) // 2, -1)
    written = written_out(x, call.batch, dims)
    pads = [(0, 0)] * x.rank
    for place, dim in enumerate(dims):
        pads[x.axis(dim)] = (amounts[2 * place], amounts[2 * place + 1])
    return Value(tf.pad(written.tensor, pads, constant_values=number), x.order, call.shape)


@dataclass(frozen=True)
class _Group:
    """Torch's axes of the one shape and of the other, with the same product."""

    sources: tuple[int, ...]
    targets: tuple[int, ...]


def _viewed(x: Value, shape: Shape, batch: Any) -> Value:
    """Torch's `view` of a tensor that has another memory order.

    Between the two shapes, axes fall into groups of equal product: an axis that stays, one that is split,
    some that are merged. A group is reshaped in place wherever its axes lie side by side in memory, in
    torch's order; only otherwise are they brought together first.
    """
    if x.shape == shape:
        return x
    groups = _groups(x.shape, shape)
    reshaped = [dim for group in groups if len(group.sources + group.targets) > 2 for dim in group.sources]
    x = written_out(x, batch, reshaped)
    # The images stay first, and what lies closest together stays so.
    groups.sort(key=lambda group: (0 not in group.sources, x.axis(group.sources[-1])))
    memory = [axis for axis in x.order if x.shape[axis] != 1]
    wanted = [dim for group in groups for dim in group.sources]
    bare = reshape(x.tensor, [x.lengths[x.axis(dim)] for dim in memory])
    together = transpose(bare, [memory.index(dim) for dim in wanted])
    lengths = {dim: length for group in groups for dim, length in _lengths(x, group, shape)}
    order = _with_ones([dim for group in groups for dim in group.targets], shape)
    return Value(reshape(together, [lengths.get(dim, 1) for dim in order]), order, shape)


def _lengths(x: Value, group: _Group, shape: Shape) -> list[tuple[int, int]]:
    if len(group.sources + group.targets) == 2 and x.repeated(x.axis(group.sources[0])):
        return [(group.targets[0], 1)]
    return [(dim, shape[dim]) for dim in group.targets]


def _groups(sources: Shape, targets: Shape) -> list[_Group]:
    """The smallest groups of equal product, in torch's order; axes of length 1 belong to none."""
    left = [dim for dim, size in enumerate(sources) if size != 1]
    right = [dim for dim, size in enumerate(targets) if size != 1]
    groups = []
    while left:
        taken, given = [left.pop(0)], [right.pop(0)]
        before, after = sources[taken[0]], targets[given[0]]
        while before != after:
            if before < after:
                taken.append(left.pop(0))
                before *= sources[taken[-1]]
            else:
                given.append(right.pop(0))
                after *= targets[given[-1]]
        groups.append(_Group(tuple(taken), tuple(given)))
    return groups


def _with_ones(dims: Sequence[int], shape: Shape) -> Order:
    """Insert torch's axes of length 1, each after the axis that precedes it in torch."""
    order = list(dims)
    for dim, size in enumerate(shape):
        if size == 1:
            order.insert(order.index(dim - 1) + 1 if dim else 0, dim)
    return tuple(order)
