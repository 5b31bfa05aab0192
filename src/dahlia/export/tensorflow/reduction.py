"""Sums and means over axes, and the normalisations made of them; products of matrices, and attention."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.elementwise import Number, elementwise
from dahlia.export.tensorflow.values import (
    OPERATIONS,
    Call,
    UnsupportedError,
    Value,
    arrange,
    constant,
    is_constant,
    is_dynamic,
    operation,
    reshape,
    written_out,
)

_Dims = int | Sequence[int] | None
_Reduction = Callable[[Any, list[int], bool], Any]


def _reduced(call: Call, x: Value, dims: _Dims, keep: bool, function: _Reduction) -> Value:
    chosen = [dim % x.rank for dim in ([dims] if isinstance(dims, int) else dims or range(x.rank))]
    x = written_out(x, call.batch, chosen)
    tensor = function(x.tensor, [x.axis(dim) for dim in chosen], keep)
    if keep:
        return Value(tensor, x.order, call.shape)
    kept = [dim for dim in range(x.rank) if dim not in chosen]
    return Value(tensor, tuple(kept.index(axis) for axis in x.order if axis in kept), call.shape)


def _register(name: str, function: _Reduction) -> None:
    def write(call: Call, x: Value, dims: _Dims = None, keep: bool = False, **options: Any) -> Value:
        return _reduced(call, x, dims, keep, function)

    OPERATIONS[name] = write


for _name, _function in {
    "aten.mean.dim": tf.reduce_mean,
    "aten.mean.default": tf.reduce_mean,
    "aten.sum.dim_IntList": tf.reduce_sum,
    "aten.sum.default": tf.reduce_sum,
    "aten.amax.default": tf.reduce_max,
    "aten.amin.default": tf.reduce_min,
    "aten.any.dim": tf.reduce_any,
    "aten.any.dims": tf.reduce_any,
}.items():
    _register(_name, _function)


@operation("aten.var.correction")
def variance(
    call: Call, x: Value, dims: _Dims = None, correction: Number | None = 1, keepdim: bool = False
) -> Value:
    """The mean squared distance from the mean, of n - correction."""
    chosen = [dims] if isinstance(dims, int) else dims or range(x.rank)
    count = math.prod(x.shape[dim] for dim in chosen)
    if is_dynamic(count):
        raise UnsupportedError("a variance over the images of a batch")
    factor = count / (count - (1 if correction is None else correction))
    return _reduced(call, x, dims, keepdim, lambda t, axes, keep: _moments(t, axes, keep)[1] * factor)


def _moments(tensor: Any, axes: list[int], keep: bool = True) -> tuple[Any, Any]:
    mean = tf.reduce_mean(tensor, axes, keepdims=True)
    return mean, tf.reduce_mean(tf.square(tensor - mean), axes, keepdims=keep)


@operation("aten.linalg_vector_norm.default")
def vector_norm(
    call: Call, x: Value, order: Number = 2, dims: _Dims = None, keepdim: bool = False, **options: Any
) -> Value:
    """The Euclidean length."""
    if order != 2:
        raise UnsupportedError(f"a norm of order {order}")
    return _reduced(
        call, x, dims, keepdim, lambda t, axes, keep: tf.sqrt(tf.reduce_sum(tf.square(t), axes, keep))
    )


@operation("aten._softmax.default")
def softmax(call: Call, x: Value, dim: int, half_to_float: bool = False) -> Value:
    """`exp(x)` in shares of its sum along one axis."""
    del half_to_float
    return _along_last(call, x, dim, tf.nn.softmax)


@operation("aten._log_softmax.default")
def log_softmax(call: Call, x: Value, dim: int, half_to_float: bool = False) -> Value:
    """The logarithm of the softmax."""
    del half_to_float
    return _along_last(call, x, dim, tf.nn.log_softmax)


def _along_last(call: Call, x: Value, dim: int, function: Callable[[Any], Any]) -> Value:
    x = written_out(x, call.batch, [dim % x.rank])
    order = (*(axis for axis in x.order if axis != dim % x.rank), dim % x.rank)
    return Value(function(arrange(x, order)), order, call.shape)


@operation("aten._native_batch_norm_legit_no_training.default")
def batch_norm(
    call: Call,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    variance: Value,
    momentum: float,
    epsilon: float,
) -> tuple[Value, None, None]:
    """What training measured, as one scale and one shift per channel."""
    del momentum
    wide = (1, -1, *[1] * (x.rank - 2))
    spread = np.sqrt(variance.tensor.astype(np.float64) + epsilon)
    scale = (1.0 if weight is None else weight.tensor) / spread
    shift = (0.0 if bias is None else bias.tensor) - mean.tensor * scale
    parts = (constant(part.astype(np.float32).reshape(wide)) for part in (scale, shift))
    return elementwise(call, lambda x, scale, shift: x * scale + shift, x, *parts), None, None


@operation("aten.native_layer_norm.default")
def layer_norm(
    call: Call, x: Value, shape: Sequence[int], weight: Value | None, bias: Value | None, epsilon: float
) -> tuple[Value, None, None]:
    """Ba, Kiros and Hinton 2016, over torch's last axes, wherever they lie."""
    x = written_out(x, call.batch)
    axes = [x.axis(dim) for dim in range(x.rank - len(shape), x.rank)]
    normal = Value(_standardised(x.tensor, axes, epsilon), x.order, x.shape)
    return _scaled(call, normal, weight, bias), None, None


@operation("aten.native_group_norm.default")
def group_norm(
    call: Call,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    images: int,
    channels: int,
    places: int,
    groups: int,
    epsilon: float,
) -> tuple[Value, None, None]:
    """Wu and He 2018; the groups are split off the channels, which stay last."""
    del images, places
    last = (0, *range(2, x.rank), 1)
    tensor = arrange(written_out(x, call.batch), last)
    lengths = tuple(tensor.shape)
    split = reshape(tensor, (*lengths[:-1], groups, channels // groups))
    axes = [*range(1, x.rank - 1), x.rank]
    normal = Value(reshape(_standardised(split, axes, epsilon), lengths), last, x.shape)
    wide = (channels, *[1] * (x.rank - 2))
    scale, shift = (part and constant(part.tensor.reshape(wide)) for part in (weight, bias))
    return _scaled(call, normal, scale, shift), None, None


def _standardised(tensor: Any, axes: list[int], epsilon: float) -> Any:
    mean, spread = _moments(tensor, axes)
    return (tensor - mean) * tf.math.rsqrt(spread + epsilon)


def _scaled(call: Call, x: Value, weight: Value | None, bias: Value | None) -> Value:
    if weight is not None:
        x = elementwise(call, tf.multiply, x, weight)
    return x if bias is None else elementwise(call, tf.add, x, bias)


@operation("aten.linear.default")
def linear(call: Call, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """`x W^T + b` over torch's last axis; the others stay where they lie."""
    last = x.rank - 1
    x = written_out(x, call.batch)
    order = (*(axis for axis in x.order if axis != last), last)
    tensor = arrange(x, order)
    rows = reshape(tensor, (None, x.shape[last]))
    product = tf.matmul(rows, arrange(weight, (1, 0)))
    if bias is not None:
        product = tf.nn.bias_add(product, bias.tensor)
    return Value(reshape(product, (*tuple(tensor.shape)[:-1], call.shape[-1])), order, call.shape)


@operation("aten.addmm.default")
def add_product(call: Call, bias: Value, x: Value, y: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    """`beta b + alpha x y`."""
    product = matrix_product(call, x, y)
    return elementwise(call, lambda bias, product: product * alpha + bias * beta, bias, product)


@operation("aten.mm.default", "aten.bmm.default")
def matrix_product(call: Call, x: Value, y: Value) -> Value:
    """The product of matrices, one or as many as the first axis says."""
    left, left_swapped = _matrices(written_out(x, call.batch, (x.rank - 2, x.rank - 1)))
    right, right_swapped = _matrices(written_out(y, call.batch, (y.rank - 2, y.rank - 1)))
    tensor = tf.matmul(left, right, transpose_a=left_swapped, transpose_b=right_swapped)
    return Value(tensor, tuple(range(x.rank)), call.shape)


def _matrices(x: Value) -> tuple[Any, bool]:
    """The tensor with its matrices last, and whether they lie transposed: a product reads them either way."""
    rank = x.rank
    plain = tuple(range(rank))
    swapped = (*plain[: rank - 2], rank - 1, rank - 2)
    if not is_constant(x) and x.order.index(rank - 1) < x.order.index(rank - 2):
        return arrange(x, swapped), True
    return arrange(x, plain), False


@operation("aten.scaled_dot_product_attention.default")
def attention(
    call: Call,
    query: Value,
    key: Value,
    value: Value,
    mask: Value | None = None,
    dropout: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    """`softmax(scale q k^T + mask) v` (Vaswani et al. 2017), over any number of leading axes."""
    del dropout
    if enable_gqa or is_causal:
        raise UnsupportedError("attention of grouped queries, or to what came before only")
    query, key, value = (written_out(part, call.batch) for part in (query, key, value))
    factor = scale if scale is not None else query.shape[-1] ** -0.5
    left, left_swapped = _matrices(query)
    right, right_swapped = _matrices(key)
    scores = tf.matmul(left * factor, right, transpose_a=left_swapped, transpose_b=not right_swapped)
    if mask is not None:
        scores = scores + _additive(mask)
    plain = tuple(range(query.rank))
    return Value(tf.matmul(tf.nn.softmax(scores), arrange(value, plain)), plain, call.shape)


def _additive(mask: Value) -> Any:
    tensor = arrange(mask, tuple(range(mask.rank)))
    if tensor.dtype not in (np.dtype(bool), tf.bool):
        return tensor
    return tf.where(tensor, np.float32(0), np.float32(-np.inf))
