"""Pools: NHWC, with torch's padding and counting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.registry import Call, UnsupportedError, operation
from dahlia.export.tensorflow.values import NHWC, Value, arrange, written_out
from dahlia.export.tensorflow.windows import Windows, windows


@operation("aten.max_pool2d_with_indices.default")
def max_pool(
    call: Call,
    x: Value,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> tuple[Value, None]:
    """The largest number of each window; where it lies is not told."""
    del ceil_mode
    if max(dilation) > 1:
        raise UnsupportedError(f"a pool of dilation {list(dilation)}")
    where = windows(x.shape[2:], call.shape[2:], kernel, stride, padding)
    image = arrange(written_out(x, call.batch), NHWC)
    if not where.same:
        image = _padded_for_max(image, where)
    mode = "SAME" if where.same else "VALID"
    return Value(tf.nn.max_pool2d(image, where.kernel, where.stride, mode), NHWC, call.shape), None


def _padded_for_max(image: Any, where: Windows) -> Any:
    if not any(map(any, where.pads)):
        return image
    pads = [(0, 0), *where.pads, (0, 0)]
    if all(2 * max(pad) <= size for pad, size in zip(where.pads, where.kernel, strict=True)):
        # A mirrored number lies in the same window as its original, so it changes no maximum; unlike the
        # smallest float, it leaves the range of the image as it is, which quantisation needs.
        return tf.pad(image, pads, "SYMMETRIC")
    return tf.pad(image, pads, constant_values=float(np.finfo(np.float32).min))


@operation("aten.avg_pool2d.default")
def average_pool(
    call: Call,
    x: Value,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Value:
    """The mean of each window, or its sum over `divisor`."""
    del ceil_mode
    where = windows(x.shape[2:], call.shape[2:], kernel, stride, padding)
    image = arrange(written_out(x, call.batch), NHWC)
    if any(map(any, where.pads)):
        image = tf.pad(image, [(0, 0), *where.pads, (0, 0)])
    means = tf.nn.avg_pool2d(image, where.kernel, where.stride, "VALID")
    rows, columns = (_counted(where, axis, count_include_pad) for axis in (0, 1))
    counts = np.outer(rows, columns) if divisor is None else np.float64(divisor)
    factor = np.asarray(np.prod(where.kernel) / counts, np.float32)
    if (factor != 1).any():
        means = means * (factor[None, :, :, None] if factor.ndim else factor)
    return Value(means, NHWC, call.shape)


def _counted(where: Windows, axis: int, with_padding: bool) -> npt.NDArray[np.int64]:
    """How many places of each window torch counts: none beyond the padding, which counts where it says."""
    edge = where.padding[axis] if with_padding else 0
    starts = np.arange(where.counts[axis]) * where.stride[axis] - where.padding[axis]
    ends = np.minimum(starts + where.kernel[axis], where.sizes[axis] + edge)
    counts: npt.NDArray[np.int64] = ends - np.maximum(starts, -edge)
    return counts


@operation("aten._adaptive_avg_pool2d.default")
def adaptive_average_pool(call: Call, x: Value, size: Sequence[int]) -> Value:
    """Means of as many parts as `size` says, which overlap where the image cannot be divided."""
    del size
    image = arrange(written_out(x, call.batch), NHWC)
    for axis, parts in ((1, call.shape[2]), (2, call.shape[3])):
        image = _means_of_parts(image, axis, parts)
    return Value(image, NHWC, call.shape)


def _means_of_parts(image: Any, axis: int, parts: int) -> Any:
    length = image.shape[axis]
    if length == parts:
        return image
    if length % parts == 0:
        kernel = [length // parts if place == axis else 1 for place in (1, 2)]
        return tf.nn.avg_pool2d(image, kernel, kernel, "VALID")
    before = (slice(None),) * axis
    edges = [(part * length // parts, -(-(part + 1) * length // parts)) for part in range(parts)]
    means = [tf.reduce_mean(image[(*before, slice(*edge))], axis, keepdims=True) for edge in edges]
    return tf.concat(means, axis)
