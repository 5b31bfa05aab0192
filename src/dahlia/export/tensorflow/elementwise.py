"""Operations on each number by itself, with torch's broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.values import OPERATIONS, Call, Value, align, is_constant, operation

Number = int | float | bool
_Unary = Callable[[Any], Any]
_Binary = Callable[[Any, Any], Any]


def elementwise(call: Call, function: Callable[..., Any], *arguments: Value | Number) -> Value:
    """Apply a function of TensorFlow to values and numbers that broadcast to the shape of the result."""
    values = [argument for argument in arguments if isinstance(argument, Value)]
    tensors, order = align(values, len(call.shape))
    waiting = iter(_promoted(tensors))
    given = [next(waiting) if isinstance(argument, Value) else argument for argument in arguments]
    return Value(function(*given), order, call.shape)


def _promoted(tensors: list[Any]) -> list[Any]:
    """Whole numbers that are known as the fractions that they meet; torch promotes, TensorFlow does not."""
    if not any(tf.is_tensor(tensor) and tensor.dtype.is_floating for tensor in tensors):
        return tensors
    return [
        tensor.astype(np.float32) if not tf.is_tensor(tensor) and tensor.dtype.kind in "iu" else tensor
        for tensor in tensors
    ]


_UNARY: dict[str, _Unary] = {
    "abs": tf.abs,
    "ceil": tf.math.ceil,
    "cos": tf.cos,
    "erf": tf.math.erf,
    "exp": tf.exp,
    "floor": tf.floor,
    "log": tf.math.log,
    "log1p": tf.math.log1p,
    "bitwise_not": tf.logical_not,  # of truth values; TensorFlow refuses those of bits
    "logical_not": tf.logical_not,
    "neg": tf.negative,
    "reciprocal": tf.math.reciprocal,
    "relu": tf.nn.relu,
    "rsqrt": tf.math.rsqrt,
    "sigmoid": tf.sigmoid,
    "sign": tf.sign,
    "sin": tf.sin,
    "sqrt": tf.sqrt,
    "tanh": tf.tanh,
    # Written out: the ready-made ones hide behind functions that converters do not see through.
    "silu": lambda x: x * tf.sigmoid(x),
    "hardswish": lambda x: x * tf.nn.relu6(x + 3) * (1 / 6),
    "hardsigmoid": lambda x: tf.nn.relu6(x + 3) * (1 / 6),
}
_BINARY: dict[str, _Binary] = {
    "mul": tf.multiply,
    "eq": tf.equal,
    "ne": tf.not_equal,
    "lt": tf.less,
    "le": tf.less_equal,
    "gt": tf.greater,
    "ge": tf.greater_equal,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "bitwise_and": tf.logical_and,
    "bitwise_or": tf.logical_or,
    "logical_and": tf.logical_and,
    "logical_or": tf.logical_or,
}


def _register_unary(name: str, function: _Unary) -> None:
    def write(call: Call, x: Value) -> Value:
        return elementwise(call, function, x)

    OPERATIONS[f"aten.{name}.default"] = write


def _register_binary(name: str, function: _Binary) -> None:
    def write(call: Call, x: Value, y: Value | Number) -> Value:
        return elementwise(call, function, x, y)

    for overload in ("Tensor", "Scalar", "default"):
        OPERATIONS[f"aten.{name}.{overload}"] = write


for _name, _function in _UNARY.items():
    _register_unary(_name, _function)
for _name, _of_two in _BINARY.items():
    _register_binary(_name, _of_two)


@operation("aten.add.Tensor", "aten.add.Scalar")
def add(call: Call, x: Value, y: Value | Number, alpha: Number = 1) -> Value:
    """`x + alpha y`."""
    return elementwise(call, lambda x, y: x + (y if alpha == 1 else y * alpha), x, y)


@operation("aten.sub.Tensor", "aten.sub.Scalar")
def subtract(call: Call, x: Value, y: Value | Number, alpha: Number = 1) -> Value:
    """`x - alpha y`."""
    return elementwise(call, lambda x, y: x - (y if alpha == 1 else y * alpha), x, y)


@operation("aten.div.Tensor", "aten.div.Scalar")
def divide(call: Call, x: Value, y: Value | Number) -> Value:
    """`x / y`; by what is known as a product, which can be quantised and a quotient cannot."""
    if isinstance(y, Value) and not is_constant(y):
        return elementwise(call, tf.divide, x, y)
    if isinstance(y, Value):
        factor = (1 / y.tensor.astype(np.float64)).astype(np.float32)
        return elementwise(call, tf.multiply, x, Value(factor, y.order, y.shape))
    return elementwise(call, tf.multiply, x, 1 / y)


@operation("aten.pow.Tensor_Scalar")
def power(call: Call, x: Value, exponent: Number) -> Value:
    """`x ** exponent`; squares and roots by their own operations, which every runtime has."""
    known: dict[Number, _Unary] = {2: tf.square, 0.5: tf.sqrt, -0.5: tf.math.rsqrt}
    return elementwise(call, known.get(exponent, lambda x: tf.pow(x, float(exponent))), x)


@operation("aten.hardtanh.default")
def hardtanh(call: Call, x: Value, low: Number = -1, high: Number = 1) -> Value:
    """Limit from below and above."""
    return clamp(call, x, low, high)


@operation("aten.clamp.default")
def clamp(call: Call, x: Value, low: Number | None = None, high: Number | None = None) -> Value:
    """Limit from below, above, or both."""
    return elementwise(call, lambda x: _limited(x, low, high), x)


def _limited(x: Any, low: Number | None, high: Number | None) -> Any:
    if low == 0:
        return tf.nn.relu6(x) if high == 6 else _limited(tf.nn.relu(x), None, high)
    if low is not None:
        x = tf.maximum(x, low)
    return x if high is None else tf.minimum(x, high)


@operation("aten.gelu.default")
def gelu(call: Call, x: Value, approximate: str = "none") -> Value:
    """Hendrycks and Gimpel 2016; exact, or with the hyperbolic tangent."""
    return elementwise(call, lambda x: tf.nn.gelu(x, approximate == "tanh"), x)


@operation("aten.elu.default")
def elu(call: Call, x: Value, alpha: Number = 1, scale: Number = 1, input_scale: Number = 1) -> Value:
    """Clevert, Unterthiner and Hochreiter 2015; with a scale, Klambauer et al. 2017."""

    def function(x: Any) -> Any:
        below = 1 - tf.exp(tf.minimum(x, 0) * input_scale)
        return scale * (tf.nn.relu(x) - alpha * below)

    return elementwise(call, function, x)


@operation("aten.leaky_relu.default")
def leaky_relu(call: Call, x: Value, slope: Number = 0.01) -> Value:
    """Negative numbers times `slope`."""
    return elementwise(call, lambda x: tf.nn.leaky_relu(x, slope), x)


@operation("aten.softplus.default")
def softplus(call: Call, x: Value, beta: Number = 1, threshold: Number = 20) -> Value:
    """`log(1 + exp(beta x)) / beta`; beyond the threshold it is x to the last bit, as torch says."""
    del threshold
    return elementwise(call, lambda x: tf.math.softplus(x * beta) / beta, x)


@operation("aten.mish.default")
def mish(call: Call, x: Value) -> Value:
    """Misra 2019."""
    return elementwise(call, lambda x: x * tf.tanh(tf.math.softplus(x)), x)


@operation("aten.where.self")
def where(call: Call, condition: Value, x: Value, y: Value) -> Value:
    """`x` where the condition holds, else `y`."""
    return elementwise(call, tf.where, condition, x, y)


@operation("aten.full.default")
def full(call: Call, size: list[int], number: Number, **options: Any) -> Value:
    """The same number everywhere, kept as one."""
    del size, options
    rank = len(call.shape)
    return Value(np.full((1,) * rank, number, np.float32), tuple(range(rank)), call.shape)


@operation("aten.full_like.default")
def full_like(call: Call, x: Value, number: Number, **options: Any) -> Value:
    """The same number everywhere, kept as one."""
    return full(call, [], number, **options)
