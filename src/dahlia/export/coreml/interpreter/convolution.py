"""Convolutions, pools and norms over the axes of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.files import messages
from dahlia.export.coreml.interpreter.kernels import (
    Pads,
    Windows,
    convolve,
    pool_average,
    pool_maximum,
    same_pads,
    with_last_pixel,
)
from dahlia.export.coreml.interpreter.registry import Array, Layer, UnsupportedError, layer, operation

Sizes = Sequence[int]


@operation("conv")
def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    strides: Sizes | None = None,
    pad_type: str = "valid",
    pad: Sizes | None = None,
    dilations: Sizes | None = None,
    groups: int = 1,
) -> Array:
    """A convolution over one axis or two, of groups of channels."""
    windows = _windows(x, weight.shape[2:], strides, pad_type, pad, dilations)
    return convolve(x, weight, bias, windows, groups)


@layer("convolution")
def convolution_layer(made: Layer, x: Array) -> Array:
    """A convolution of groups of channels; the weights are (outputs, inputs / groups, height, width)."""
    own = made.parameters
    if own.isDeconvolution:
        raise UnsupportedError("a transposed convolution")
    kernel = tuple(own.kernelSize) or (3, 3)
    weight = made.numbers("weights", own.outputChannels, own.kernelChannels, *kernel)
    bias = made.numbers("bias", -1) if own.hasBias else None
    windows = _layer_windows(x, own, kernel, tuple(own.dilationFactor) or (1, 1))
    return convolve(x, weight, bias, windows, own.nGroups or 1)


@operation("max_pool")
def max_pool(
    x: Array,
    kernel_sizes: Sizes,
    strides: Sizes | None = None,
    pad_type: str = "valid",
    pad: Sizes | None = None,
    ceil_mode: bool = False,
) -> Array:
    """The largest of each window."""
    windows = _windows(x, kernel_sizes, strides, pad_type, pad, None)
    return pool_maximum(x, with_last_pixel(windows, x.shape[2:]) if ceil_mode else windows)


@operation("avg_pool")
def avg_pool(
    x: Array,
    kernel_sizes: Sizes,
    strides: Sizes | None = None,
    pad_type: str = "valid",
    pad: Sizes | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Array:
    """The mean of each window."""
    windows = _windows(x, kernel_sizes, strides, pad_type, pad, None)
    if ceil_mode:
        wider = with_last_pixel(windows, x.shape[2:])
        if wider != windows and not exclude_padding_from_average:
            raise UnsupportedError("a mean of windows that reach behind the map and count what is there")
        windows = wider
    return pool_average(x, windows, without_padding=exclude_padding_from_average)


@layer("pooling")
def pooling_layer(made: Layer, x: Array) -> Array:
    """The largest or the mean of each window, or of each whole map."""
    own = made.parameters
    kind = messages().NeuralNetwork_pb2.PoolingLayerParams.PoolingType.Name(own.type)
    if kind not in ("MAX", "AVERAGE"):
        raise UnsupportedError(f"the pool {kind}")
    if own.globalPooling:
        over = (-2, -1)
        return x.max(over, keepdims=True) if kind == "MAX" else np.asarray(x.mean(over, keepdims=True))
    windows = _layer_windows(x, own, tuple(own.kernelSize) or (3, 3), (1, 1))
    if kind == "MAX":
        return pool_maximum(x, windows)
    if own.WhichOneof("PoolingPaddingType") == "includeLastPixel" and not own.avgPoolExcludePadding:
        raise UnsupportedError("a mean of windows that reach behind the map and count what is there")
    return pool_average(x, windows, without_padding=own.avgPoolExcludePadding)


@operation("upsample_nearest_neighbor")
def upsample_nearest_neighbor(
    x: Array, scale_factor_height: float = 1, scale_factor_width: float = 1
) -> Array:
    """Each pixel repeated, by whole factors."""
    if scale_factor_height % 1 or scale_factor_width % 1:
        raise UnsupportedError(f"the factors {scale_factor_height} and {scale_factor_width}")
    return x.repeat(int(scale_factor_height), -2).repeat(int(scale_factor_width), -1)


@layer("upsample")
def upsample_layer(made: Layer, x: Array) -> Array:
    """Each pixel repeated."""
    own = made.parameters
    modes = messages().NeuralNetwork_pb2.UpsampleLayerParams.InterpolationMode
    if modes.Name(own.mode) != "NN" or not own.scalingFactor:
        raise UnsupportedError("pixels between pixels")
    return upsample_nearest_neighbor(x, *own.scalingFactor)


@operation("batch_norm")
def batch_norm(
    x: Array,
    mean: Array,
    variance: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """Each channel less its mean, over its standard deviation, times `gamma`, plus `beta`."""
    scale = 1 / np.sqrt(variance + np.float32(epsilon))
    if gamma is not None:
        scale = scale * gamma
    shift = -mean * scale
    if beta is not None:
        shift = shift + beta
    ones = [1] * (x.ndim - 2)
    return np.asarray(x * scale.reshape(-1, *ones) + shift.reshape(-1, *ones))


@operation("instance_norm")
def instance_norm(
    x: Array, gamma: Array | None = None, beta: Array | None = None, epsilon: float = 1e-5
) -> Array:
    """Each map of each image to mean 0 and variance 1, times `gamma`, plus `beta`."""
    axes = tuple(range(2, x.ndim))
    centred = x - x.mean(axes, keepdims=True)
    answer = centred / np.sqrt(np.square(centred).mean(axes, keepdims=True) + np.float32(epsilon))
    ones = [1] * (x.ndim - 2)
    answer = answer if gamma is None else answer * gamma.reshape(-1, *ones)
    return np.asarray(answer if beta is None else answer + beta.reshape(-1, *ones))


@layer("batchnorm")
def batchnorm_layer(made: Layer, x: Array) -> Array:
    """Each channel by its mean and variance, times `gamma`, plus `beta`."""
    own = made.parameters
    gamma, beta = made.numbers("gamma", -1), made.numbers("beta", -1)
    if own.computeMeanVar != own.instanceNormalization:
        raise UnsupportedError("statistics of a batch")
    if own.instanceNormalization:
        return instance_norm(x, gamma, beta, own.epsilon)
    mean, variance = made.numbers("mean", -1), made.numbers("variance", -1)
    return batch_norm(x, mean, variance, gamma, beta, own.epsilon)


@layer("mvn")
def mean_variance_layer(made: Layer, x: Array) -> Array:
    """Each map, or all maps of an image together, to mean 0 and, if so said, variance 1."""
    over = (-3, -2, -1) if made.parameters.acrossChannels else (-2, -1)
    centred = np.asarray(x - x.mean(over, keepdims=True))
    if not made.parameters.normalizeVariance:
        return centred
    variance = np.square(centred).mean(over, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(made.parameters.epsilon)))


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


@layer("layerNormalization")
def layer_norm_layer(made: Layer, x: Array) -> Array:
    """Over the last axes, mean 0 and variance 1; then times `gamma`, plus `beta`."""
    own = made.parameters
    shape = tuple(own.normalizedShape)
    axes = range(-len(shape), 0)
    gamma, beta = made.numbers("gamma", *shape), made.numbers("beta", *shape)
    return layer_norm(x, axes, gamma, beta, own.eps)


@layer("padding")
def padding_layer(made: Layer, x: Array) -> Array:
    """More pixels around each map: of one number, of the edge, or mirrored."""
    own = made.parameters
    modes: dict[str, str] = {"constant": "constant", "reflection": "reflect", "replication": "edge"}
    kind = own.WhichOneof("PaddingType") or "constant"
    wide = [(0, 0)] * (x.ndim - 2) + list(_amounts(own.paddingAmounts.borderAmounts))
    more: dict[str, Any] = {"constant_values": np.float32(own.constant.value)} if kind == "constant" else {}
    return np.pad(x, wide, modes[kind], **more)  # type: ignore[call-overload,no-any-return]


def _windows(
    x: Array, kernel: Sizes, strides: Sizes | None, pad_type: str, pad: Sizes | None, dilations: Sizes | None
) -> Windows:
    axes = len(kernel)
    stride = tuple(int(step) for step in (strides if strides is not None else (1,) * axes))
    dilation = tuple(int(step) for step in (dilations if dilations is not None else (1,) * axes))
    wide = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True)]
    pads: Pads = ((0, 0),) * axes
    if pad_type == "custom" and pad is not None:
        pads = tuple((int(pad[2 * axis]), int(pad[2 * axis + 1])) for axis in range(axes))
    elif pad_type in ("same", "same_lower"):
        pads = same_pads(x.shape[2:], wide, stride, lower=pad_type == "same_lower")
    elif pad_type != "valid":
        raise UnsupportedError(f"the padding {pad_type}")
    return Windows(tuple(int(taps) for taps in kernel), stride, dilation, pads)


def _layer_windows(x: Array, own: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> Windows:
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
