"""Sums, products and functions of single numbers; shapes are broadcast as numpy does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.registry import Array, UnsupportedError, operation

_OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "floor_div": np.floor_divide,
    "mod": np.mod,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "pow": np.power,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
}
_OF_ONE: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "cos": np.cos,
    "exp": np.exp,
    "exp2": np.exp2,
    "floor": np.floor,
    "identity": np.asarray,
    "logical_not": np.logical_not,
    "round": np.rint,
    "sign": np.sign,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "square": np.square,
}
_TYPES = {"fp32": np.float32, "fp16": np.float32, "int32": np.int32, "bool": np.bool_}


def _two(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda x, y: np.asarray(function(x, y))


def _one(function: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda x: np.asarray(function(x))


for _name, _function in _OF_TWO.items():
    operation(_name)(_two(_function))
for _name, _simple in _OF_ONE.items():
    operation(_name)(_one(_simple))


@operation("real_div")
def real_div(x: Array, y: Array) -> Array:
    """The quotient; of whole numbers, a whole one."""
    if np.issubdtype(np.asarray(x).dtype, np.integer) and np.issubdtype(np.asarray(y).dtype, np.integer):
        return np.asarray(np.trunc(np.divide(x, y)), np.int32)
    return np.asarray(np.divide(x, y))


@operation("inverse")
def inverse(x: Array, epsilon: float = 1e-4) -> Array:
    """`1 / (x + epsilon)`."""
    return np.asarray(1 / (x + np.float32(epsilon)))


@operation("log")
def log(x: Array, epsilon: float = 1e-45) -> Array:
    """`log(x + epsilon)`."""
    return np.asarray(np.log(x + np.float32(epsilon)))


@operation("rsqrt")
def rsqrt(x: Array, epsilon: float = 1e-12) -> Array:
    """`1 / sqrt(x + epsilon)`."""
    return np.asarray(1 / np.sqrt(x + np.float32(epsilon)))


@operation("threshold")
def threshold(x: Array, alpha: float) -> Array:
    """At least `alpha`."""
    return np.maximum(x, np.float32(alpha))


@operation("clip")
def clip(x: Array, alpha: float, beta: float) -> Array:
    """From `alpha` to `beta`."""
    return np.clip(x, np.float32(alpha), np.float32(beta))


@operation("select")
def select(cond: Array, a: Array, b: Array) -> Array:
    """`a` where `cond` holds, else `b`."""
    return np.where(cond, a, b)


@operation("cast")
def cast(x: Array, dtype: str) -> Any:
    """Another type; what half precision cannot hold, the program's types take away."""
    if dtype not in _TYPES:
        raise UnsupportedError(f"the type {dtype}")
    return np.asarray(x).astype(_TYPES[dtype])
