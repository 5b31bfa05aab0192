"""Products of matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dahlia.export.coreml.interpreter.registry import Array, Layer, UnsupportedError, layer, operation


@operation("linear")
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """The last axis of `x` times the transpose of (outputs, inputs), plus `bias`."""
    product = x @ weight.T
    return np.asarray(product if bias is None else product + bias)


@layer("innerProduct")
def inner_product_layer(made: Layer, x: Array) -> Array:
    """The last axis of up to three times the transpose of (outputs, inputs), plus a bias."""
    own = made.parameters
    if x.ndim > 3:
        raise UnsupportedError(f"an input of {x.ndim} axes")
    weight = made.numbers("weights", own.outputChannels, own.inputChannels)
    return linear(x, weight, made.numbers("bias", -1) if own.hasBias else None)


@operation("matmul")
def matmul(x: Array, y: Array, transpose_x: bool = False, transpose_y: bool = False) -> Array:
    """Products of the last two axes."""
    left = x.swapaxes(-1, -2) if transpose_x else x
    right = y.swapaxes(-1, -2) if transpose_y else y
    return np.asarray(np.matmul(left, right))


@layer("batchedMatmul")
def batched_matmul_layer(made: Layer, x: Array, *others: Array) -> Array:
    """Products of the last two axes: of two inputs, or of one and weights that are kept transposed."""
    own = made.parameters
    if others:
        return matmul(x, others[0], own.transposeA, own.transposeB)
    kept = made.numbers("weights", own.weightMatrixSecondDimension, own.weightMatrixFirstDimension)
    return linear(x, kept, made.numbers("bias", -1) if own.hasBias else None)


@operation("einsum")
def einsum(values: Sequence[Array], equation: str) -> Array:
    """Einstein's sum of two tensors."""
    return np.asarray(np.einsum(equation, *values, optimize=True))
