"""Products of matrices, and the attention made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.elementwise import Number, elementwise
from dahlia.export.tensorflow.registry import Call, UnsupportedError, operation
from dahlia.export.tensorflow.values import Value, arrange, is_constant, reshape, written_out


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
