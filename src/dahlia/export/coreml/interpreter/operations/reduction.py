"""Sums, means and other single numbers of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.registry import Array, operation

_REDUCTIONS: dict[str, Callable[[Array, Any, bool], Any]] = {
    "reduce_mean": lambda x, axes, keep: x.mean(axes, keepdims=keep),
    "reduce_sum": lambda x, axes, keep: x.sum(axes, keepdims=keep),
    "reduce_max": lambda x, axes, keep: x.max(axes, keepdims=keep),
    "reduce_min": lambda x, axes, keep: x.min(axes, keepdims=keep),
    "reduce_prod": lambda x, axes, keep: x.prod(axes, keepdims=keep),
    "reduce_l1_norm": lambda x, axes, keep: np.abs(x).sum(axes, keepdims=keep),
    "reduce_l2_norm": lambda x, axes, keep: np.sqrt(np.square(x).sum(axes, keepdims=keep)),
    "reduce_sum_square": lambda x, axes, keep: np.square(x).sum(axes, keepdims=keep),
}


def _reduction(function: Callable[[Array, Any, bool], Any]) -> Callable[..., Array]:
    def reduce(x: Array, axes: Sequence[int] | None = None, keep_dims: bool = False) -> Array:
        over = None if axes is None else tuple(int(axis) for axis in axes)
        return np.asarray(function(x, over, keep_dims))

    return reduce


for _name, _function in _REDUCTIONS.items():
    operation(_name)(_reduction(_function))
