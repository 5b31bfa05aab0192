"""Layers over the axes of an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.kernels import (
    Pads,
    Windows,
    convolve,
    pool_average,
    pool_maximum,
    same_pads,
    with_last_pixel,
)
from dahlia.export.coreml.interpreter.layers.layer import Layer
from dahlia.export.coreml.interpreter.operations import convolution as operations
from dahlia.export.coreml.interpreter.registry import Array, UnsupportedError, layer
from dahlia.export.coreml.interpreter.schema import messages


@layer("convolution")
def convolution(made: Layer, x: Array) -> Array:
    """A convolution of groups of channels; the weights are (outputs, inputs / groups, height, width)."""
    own = made.parameters
    if own.isDeconvolution:
        raise UnsupportedError("a transposed convolution")
    kernel = tuple(own.kernelSize) or (3, 3)
    weight = made.numbers("weights", own.outputChannels, own.kernelChannels, *kernel)
    bias = made.numbers("bias", -1) if own.hasBias else None
    windows = _windows(x, own, kernel, tuple(own.dilationFactor) or (1, 1))
    return convolve(x, weight, bias, windows, own.nGroups or 1)


@layer("pooling")
def pooling(made: Layer, x: Array) -> Array:
    """The largest or the mean of each window, or of each whole map."""
    own = made.parameters
    kind = messages().NeuralNetwork_pb2.PoolingLayerParams.PoolingType.Name(own.type)
    if kind not in ("MAX", "AVERAGE"):
        raise UnsupportedError(f"the pool {kind}")
    if own.globalPooling:
        over = (-2, -1)
        return x.max(over, keepdims=True) if kind == "MAX" else np.asarray(x.mean(over, keepdims=True))
    windows = _windows(x, own, tuple(own.kernelSize) or (3, 3), (1, 1))
    if kind == "MAX":
        return pool_maximum(x, windows)
    if own.WhichOneof("PoolingPaddingType") == "includeLastPixel" and not own.avgPoolExcludePadding:
        raise UnsupportedError("a mean of windows that reach behind the map and count what is there")
    return pool_average(x, windows, without_padding=own.avgPoolExcludePadding)


@layer("batchnorm")
def batchnorm(made: Layer, x: Array) -> Array:
    """Each channel by its mean and variance, times `gamma`, plus `beta`."""
    own = made.parameters
    gamma, beta = made.numbers("gamma", -1), made.numbers("beta", -1)
    if own.computeMeanVar != own.instanceNormalization:
        raise UnsupportedError("statistics of a batch")
    if own.instanceNormalization:
        return operations.instance_norm(x, gamma, beta, own.epsilon)
    mean, variance = made.numbers("mean", -1), made.numbers("variance", -1)
    return operations.batch_norm(x, mean, variance, gamma, beta, own.epsilon)


@layer("mvn")
def mean_variance(made: Layer, x: Array) -> Array:
    """Each map, or all maps of an image together, to mean 0 and, if so said, variance 1."""
    over = (-3, -2, -1) if made.parameters.acrossChannels else (-2, -1)
    centred = np.asarray(x - x.mean(over, keepdims=True))
    if not made.parameters.normalizeVariance:
        return centred
    variance = np.square(centred).mean(over, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(made.parameters.epsilon)))


@layer("upsample")
def upsample(made: Layer, x: Array) -> Array:
    """Each pixel repeated."""
    own = made.parameters
    modes = messages().NeuralNetwork_pb2.UpsampleLayerParams.InterpolationMode
    if modes.Name(own.mode) != "NN" or not own.scalingFactor:
        raise UnsupportedError("pixels between pixels")
    return operations.upsample_nearest_neighbor(x, *own.scalingFactor)


def _windows(x: Array, own: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> Windows:
    stride = tuple(own.stride) or (1, 1)
    wide = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True)]
    if own.HasField("same"):
        heavy = messages().NeuralNetwork_pb2.SamePadding.SamePaddingMode.Value("TOP_LEFT_HEAVY")
        pads = same_pads(x.shape[-2:], wide, stride, lower=own.same.asymmetryMode == heavy)
        return Windows(kernel, stride, dilation, pads)
    if own.HasField("valid"):
        borders = own.valid.paddingAmounts.borderAmounts
        return Windows(kernel, stride, dilation, _amounts(borders))
    first = tuple(own.includeLastPixel.paddingAmounts) or (0, 0)
    pads = tuple((int(amount), int(amount)) for amount in first)
    return with_last_pixel(Windows(kernel, stride, dilation, pads), x.shape[-2:])


def _amounts(borders: Any) -> Pads:
    if not borders:
        return ((0, 0), (0, 0))
    return tuple((int(border.startEdgeSize), int(border.endEdgeSize)) for border in borders)


@layer("padding")
def padding(made: Layer, x: Array) -> Array:
    """More pixels around each map: of one number, of the edge, or mirrored."""
    own = made.parameters
    modes: dict[str, str] = {"constant": "constant", "reflection": "reflect", "replication": "edge"}
    kind = own.WhichOneof("PaddingType") or "constant"
    wide = [(0, 0)] * (x.ndim - 2) + list(_amounts(own.paddingAmounts.borderAmounts))
    more: dict[str, Any] = {"constant_values": np.float32(own.constant.value)} if kind == "constant" else {}
    return np.pad(x, wide, modes[kind], **more)  # type: ignore[call-overload,no-any-return]
