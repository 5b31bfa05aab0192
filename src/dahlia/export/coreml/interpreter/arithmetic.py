"""Sums, products and functions of numbers, broadcast as numpy does; numbers of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.files import messages
from dahlia.export.coreml.interpreter.registry import (
    OPERATIONS,
    Array,
    Layer,
    UnsupportedError,
    layer,
    operation,
)

_OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "floor_div": np.floor_divide,
    "mod": np.mod,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "pow": np.power,
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


@operation("cast")
def cast(x: Array, dtype: str) -> Any:
    """Another type; what half precision cannot hold, the program's types take away."""
    if dtype not in _TYPES:
        raise UnsupportedError(f"the type {dtype}")
    return np.asarray(x).astype(_TYPES[dtype])


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
    def reduced(x: Array, axes: Sequence[int] | None = None, keep_dims: bool = False) -> Array:
        over = None if axes is None else tuple(int(axis) for axis in axes)
        return np.asarray(function(x, over, keep_dims))

    return reduced


for _reduced_name, _reduced_function in _REDUCTIONS.items():
    operation(_reduced_name)(_reduction(_reduced_function))


# Layers that have neither parameters nor meaning of their own beside an operation of programs.
_SAME = {
    "addBroadcastable": "add",
    "subtractBroadcastable": "sub",
    "multiplyBroadcastable": "mul",
    "divideBroadcastable": "real_div",
    "floorDivBroadcastable": "floor_div",
    "modBroadcastable": "mod",
    "powBroadcastable": "pow",
    "maxBroadcastable": "maximum",
    "minBroadcastable": "minimum",
    "ceil": "ceil",
    "floor": "floor",
    "round": "round",
    "sign": "sign",
    "exp2": "exp2",
    "sin": "sin",
    "cos": "cos",
    "tanh": "tanh",
    "erf": "erf",
    "copy": "identity",
}
_REDUCED = {
    "reduceL1": "reduce_l1_norm",
    "reduceL2": "reduce_l2_norm",
    "reduceMax": "reduce_max",
    "reduceMin": "reduce_min",
    "reduceSum": "reduce_sum",
    "reduceProd": "reduce_prod",
    "reduceMean": "reduce_mean",
    "reduceSumSquare": "reduce_sum_square",
}


def _same(name: str) -> Callable[..., Any]:
    return lambda _, *inputs: OPERATIONS[name](*inputs)


def _reduced(name: str) -> Callable[..., Any]:
    def reduction(made: Layer, x: Array) -> Array:
        axes = None if made.parameters.reduceAll else list(made.parameters.axes)
        return np.asarray(OPERATIONS[name](x, axes, made.parameters.keepDims))

    return reduction


for _layer, _operation in _SAME.items():
    layer(_layer)(_same(_operation))
for _layer, _operation in _REDUCED.items():
    layer(_layer)(_reduced(_operation))


@layer("add")
def add_layer(made: Layer, *inputs: Array) -> Array:
    """The sum of all inputs, or of one and a number."""
    return reduce(np.add, inputs) if len(inputs) > 1 else np.add(inputs[0], np.float32(made.parameters.alpha))


@layer("multiply")
def multiply_layer(made: Layer, *inputs: Array) -> Array:
    """The product of all inputs, or of one and a number."""
    if len(inputs) > 1:
        return reduce(np.multiply, inputs)
    return np.multiply(inputs[0], np.float32(made.parameters.alpha))


@layer("max")
def maximum_layer(_: Layer, *inputs: Array) -> Array:
    """The largest of all inputs."""
    return reduce(np.maximum, inputs)


@layer("min")
def minimum_layer(_: Layer, *inputs: Array) -> Array:
    """The smallest of all inputs."""
    return reduce(np.minimum, inputs)


@layer("clip")
def clip_layer(made: Layer, x: Array) -> Array:
    """From the least to the most."""
    return clip(x, made.parameters.minVal, made.parameters.maxVal)


@layer("unary")
def unary_layer(made: Layer, x: Array) -> Array:
    """A function of `scale x + shift`."""
    own = made.parameters
    kinds = messages().NeuralNetwork_pb2.UnaryFunctionLayerParams.Operation
    inner = np.asarray(x * np.float32(own.scale) + np.float32(own.shift))
    known: dict[str, Callable[[], Any]] = {
        "SQRT": lambda: np.sqrt(inner),
        "RSQRT": lambda: rsqrt(inner, own.epsilon),
        "INVERSE": lambda: inverse(inner, own.epsilon),
        "POWER": lambda: np.power(inner, np.float32(own.alpha)),
        "EXP": lambda: np.exp(inner),
        "LOG": lambda: np.log(inner),
        "ABS": lambda: np.abs(inner),
        "THRESHOLD": lambda: np.maximum(inner, np.float32(own.alpha)),
    }
    return np.asarray(known[kinds.Name(own.type)]())


@layer("scale")
def scale_layer(made: Layer, x: Array) -> Array:
    """Times weights and plus others, along the last axes."""
    own = made.parameters
    answer = x * made.numbers("scale", *own.shapeScale)
    return np.asarray(answer + made.numbers("bias", *own.shapeBias) if own.hasBias else answer)


@layer("loadConstant", "loadConstantND")
def load_constant_layer(made: Layer) -> Array:
    """Numbers that are always the same."""
    return made.numbers("data", *made.parameters.shape)
