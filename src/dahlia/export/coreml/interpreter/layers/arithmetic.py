"""Layers that compute number by number, or one number of many."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.layers.layer import Layer
from dahlia.export.coreml.interpreter.operations import OPERATIONS, arithmetic
from dahlia.export.coreml.interpreter.operations import activation as functions
from dahlia.export.coreml.interpreter.registry import Array, UnsupportedError, layer
from dahlia.export.coreml.interpreter.schema import messages

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
def add(made: Layer, *inputs: Array) -> Array:
    """The sum of all inputs, or of one and a number."""
    return reduce(np.add, inputs) if len(inputs) > 1 else np.add(inputs[0], np.float32(made.parameters.alpha))


@layer("multiply")
def multiply(made: Layer, *inputs: Array) -> Array:
    """The product of all inputs, or of one and a number."""
    if len(inputs) > 1:
        return reduce(np.multiply, inputs)
    return np.multiply(inputs[0], np.float32(made.parameters.alpha))


@layer("max")
def maximum(_: Layer, *inputs: Array) -> Array:
    """The largest of all inputs."""
    return reduce(np.maximum, inputs)


@layer("min")
def minimum(_: Layer, *inputs: Array) -> Array:
    """The smallest of all inputs."""
    return reduce(np.minimum, inputs)


@layer("clip")
def clip(made: Layer, x: Array) -> Array:
    """From the least to the most."""
    return arithmetic.clip(x, made.parameters.minVal, made.parameters.maxVal)


@layer("softmax")
def softmax_of_channels(_: Layer, x: Array) -> Array:
    """`e^x` over its sum along the channels."""
    return functions.softmax(x, -3)


@layer("softmaxND")
def softmax(made: Layer, x: Array) -> Array:
    """`e^x` over its sum along an axis."""
    return functions.softmax(x, made.parameters.axis)


@layer("gelu")
def gelu(made: Layer, x: Array) -> Array:
    """The Gaussian error linear unit, exact or approximated."""
    modes = messages().NeuralNetwork_pb2.GeluLayerParams.GeluMode
    return functions.gelu(x, modes.Name(made.parameters.mode))


@layer("activation")
def activation(made: Layer, x: Array) -> Array:
    """One of the functions between layers."""
    kind = made.parameters.WhichOneof("NonlinearityType")
    own = getattr(made.parameters, str(kind), None)
    simple: dict[str, Callable[[Array], Array]] = {
        "ReLU": functions.relu,
        "sigmoid": functions.sigmoid,
        "tanh": functions.tanh,
        "softplus": functions.softplus,
        "softsign": functions.softsign,
    }
    if kind in simple:
        return simple[kind](x)
    if kind == "PReLU":
        return functions.prelu(x, made.numbers("alpha", -1, of=own))
    with_alpha: dict[str, Callable[..., Array]] = {
        "leakyReLU": functions.leaky_relu,
        "thresholdedReLU": functions.thresholded_relu,
        "ELU": functions.elu,
    }
    if own is not None and kind in with_alpha:
        return with_alpha[kind](x, own.alpha)
    with_both: dict[str, Callable[..., Array]] = {
        "linear": functions.linear_activation,
        "sigmoidHard": functions.sigmoid_hard,
        "scaledTanh": functions.scaled_tanh,
    }
    if own is not None and kind in with_both:
        return with_both[kind](x, own.alpha, own.beta)
    raise UnsupportedError(f"the function {kind}")


@layer("clampedReLU")
def clamped_relu(made: Layer, x: Array) -> Array:
    """Below 0 times a number, and up to another."""
    return functions.clamped_relu(x, made.parameters.alpha, made.parameters.beta)


@layer("unary")
def unary(made: Layer, x: Array) -> Array:
    """A function of `scale x + shift`."""
    own = made.parameters
    kinds = messages().NeuralNetwork_pb2.UnaryFunctionLayerParams.Operation
    inner = np.asarray(x * np.float32(own.scale) + np.float32(own.shift))
    known: dict[str, Callable[[], Any]] = {
        "SQRT": lambda: np.sqrt(inner),
        "RSQRT": lambda: arithmetic.rsqrt(inner, own.epsilon),
        "INVERSE": lambda: arithmetic.inverse(inner, own.epsilon),
        "POWER": lambda: np.power(inner, np.float32(own.alpha)),
        "EXP": lambda: np.exp(inner),
        "LOG": lambda: np.log(inner),
        "ABS": lambda: np.abs(inner),
        "THRESHOLD": lambda: np.maximum(inner, np.float32(own.alpha)),
    }
    return np.asarray(known[kinds.Name(own.type)]())
