"""Layers that multiply matrices, and constants."""

from __future__ import annotations

import numpy as np

from dahlia.export.coreml.interpreter.layers.layer import Layer
from dahlia.export.coreml.interpreter.operations import product as operations
from dahlia.export.coreml.interpreter.registry import Array, UnsupportedError, layer


@layer("innerProduct")
def inner_product(made: Layer, x: Array) -> Array:
    """The last axis of up to three times the transpose of (outputs, inputs), plus a bias."""
    own = made.parameters
    if x.ndim > 3:
        raise UnsupportedError(f"an input of {x.ndim} axes")
    weight = made.numbers("weights", own.outputChannels, own.inputChannels)
    return operations.linear(x, weight, made.numbers("bias", -1) if own.hasBias else None)


@layer("batchedMatmul")
def batched_matmul(made: Layer, x: Array, *others: Array) -> Array:
    """Products of the last two axes: of two inputs, or of one and weights that are kept transposed."""
    own = made.parameters
    if others:
        return operations.matmul(x, others[0], own.transposeA, own.transposeB)
    kept = made.numbers("weights", own.weightMatrixSecondDimension, own.weightMatrixFirstDimension)
    return operations.linear(x, kept, made.numbers("bias", -1) if own.hasBias else None)


@layer("scale")
def scale(made: Layer, x: Array) -> Array:
    """Times weights and plus others, along the last axes."""
    own = made.parameters
    answer = x * made.numbers("scale", *own.shapeScale)
    return np.asarray(answer + made.numbers("bias", *own.shapeBias) if own.hasBias else answer)


@layer("layerNormalization")
def layer_normalization(made: Layer, x: Array) -> Array:
    """Over the last axes, mean 0 and variance 1; then times `gamma`, plus `beta`."""
    own = made.parameters
    shape = tuple(own.normalizedShape)
    axes = range(-len(shape), 0)
    gamma, beta = made.numbers("gamma", *shape), made.numbers("beta", *shape)
    return operations.layer_norm(x, axes, gamma, beta, own.eps)


@layer("loadConstant", "loadConstantND")
def load_constant(made: Layer) -> Array:
    """Numbers that are always the same."""
    return made.numbers("data", *made.parameters.shape)
