"""Torch's `view` on tensors of another memory order.

Between the two shapes, axes fall into groups of equal product: an axis that stays, one that is split, some
that are merged. A group is reshaped in place wherever its axes lie side by side in memory, in torch's order;
only otherwise are they brought together first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dahlia.export.tensorflow.values import Order, Shape, Value, reshape, transpose, written_out


@dataclass(frozen=True)
class _Group:
    sources: tuple[int, ...]
    targets: tuple[int, ...]


def view(x: Value, shape: Shape, batch: Any) -> Value:
    """The same numbers, read in torch's order, in another shape."""
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
