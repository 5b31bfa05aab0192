"""Products of matrices, and norms over the last axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dahlia.export.coreml.interpreter.registry import Array, operation


@operation("linear")
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """The last axis of `x` times the transpose of (outputs, inputs), plus `bias`."""
    product = x @ weight.T
    return np.asarray(product if bias is None else product + bias)


@operation("matmul")
def matmul(x: Array, y: Array, transpose_x: bool = False, transpose_y: bool = False) -> Array:
    """Products of the last two axes."""
    left = x.swapaxes(-1, -2) if transpose_x else x
    right = y.swapaxes(-1, -2) if transpose_y else y
    return np.asarray(np.matmul(left, right))


@operation("einsum")
def einsum(values: Sequence[Array], equation: str) -> Array:
    """Einstein's sum of two tensors."""
    return np.asarray(np.einsum(equation, *values, optimize=True))


@operation("layer_norm")
def layer_norm(
    x: Array,
    axes: Sequence[int] | None = None,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """Over `axes`, mean 0 and variance 1; then times `gamma`, plus `beta`."""
    over = tuple(range(x.ndim)) if axes is None else tuple(int(axis) % x.ndim for axis in axes)
    centred = x - x.mean(over, keepdims=True)
    answer = centred / np.sqrt(np.square(centred).mean(over, keepdims=True) + np.float32(epsilon))
    wide = [size if axis in over else 1 for axis, size in enumerate(x.shape)]
    answer = answer if gamma is None else answer * gamma.reshape(wide)
    return np.asarray(answer if beta is None else answer + beta.reshape(wide))
