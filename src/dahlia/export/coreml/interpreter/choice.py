"""Comparisons, and choices by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.registry import Array, Layer, layer, operation

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
}


def _comparison(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda x, y: np.asarray(function(x, y))


for _name, _function in _COMPARISONS.items():
    operation(_name)(_comparison(_function))


@operation("select")
def select(cond: Array, a: Array, b: Array) -> Array:
    """`a` where `cond` holds, else `b`."""
    return np.where(cond, a, b)


@operation("topk")
def topk(x: Array, k: int, axis: int = -1, ascending: bool = False) -> list[Array]:
    """The `k` largest or smallest along an axis, and their places; of equal ones the first."""
    order = np.argsort(x if ascending else -x, axis, kind="stable")
    places = np.take(order, np.arange(int(k)), axis)
    return [np.take_along_axis(x, places, axis), np.asarray(places, np.int32)]


@layer("topK")
def topk_layer(made: Layer, x: Array) -> list[Array]:
    """The largest or smallest along an axis, and their places."""
    return topk(x, made.parameters.K, made.parameters.axis, made.parameters.useBottomK)


@layer("equal")
def equal_layer(made: Layer, x: Array, *others: Array) -> Array:
    """1 where two inputs, or one and a number, are the same; else 0."""
    same = np.equal(x, others[0] if others else np.float32(made.parameters.alpha))
    return same.astype(np.float32)
