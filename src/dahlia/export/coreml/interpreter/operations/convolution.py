"""Convolutions, pools and norms over the axes of an image."""

from __future__ import annotations

from collections.abc import Sequence

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
from dahlia.export.coreml.interpreter.registry import Array, UnsupportedError, operation

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


@operation("upsample_nearest_neighbor")
def upsample_nearest_neighbor(
    x: Array, scale_factor_height: float = 1, scale_factor_width: float = 1
) -> Array:
    """Each pixel repeated, by whole factors."""
    if scale_factor_height % 1 or scale_factor_width % 1:
        raise UnsupportedError(f"the factors {scale_factor_height} and {scale_factor_width}")
    return x.repeat(int(scale_factor_height), -2).repeat(int(scale_factor_width), -1)


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
