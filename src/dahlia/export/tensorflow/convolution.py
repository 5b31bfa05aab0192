"""Convolutions and pools: NHWC, with torch's padding and counting, and where their windows lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dahlia.export.tensorflow import shape
from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.values import (
    NHWC,
    Call,
    UnsupportedError,
    Value,
    arrange,
    constant,
    is_constant,
    operation,
    written_out,
)

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Windows:
    """Windows over the axes of an image, all with torch's meaning.

    Attributes:
        sizes: of the image.
        counts: how many windows lie along each axis.
        kernel: the taps of a window.
        stride: from one window to the next.
        padding: how far the first window begins before the image.
        dilation: from one tap to the next.
    """

    sizes: tuple[int, ...]
    counts: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def pads(self) -> Pads:
        """What is read before and behind the image, along each axis."""
        return tuple(
            (self.padding[axis], max(0, self._reach(axis) - self.padding[axis] - self.sizes[axis]))
            for axis in range(len(self.sizes))
        )

    @property
    def same(self) -> bool:
        """Whether TensorFlow's own rule, `SAME`, puts the windows there."""
        return all(self._same(axis) for axis in range(len(self.sizes)))

    def _same(self, axis: int) -> bool:
        missing = max(0, self._reach(axis) - self.sizes[axis])
        fits = self.counts[axis] == -(-self.sizes[axis] // self.stride[axis])
        return fits and self.padding[axis] == missing // 2

    def _reach(self, axis: int) -> int:
        """From the first place of the first window to the last of the last."""
        window = (self.kernel[axis] - 1) * self.dilation[axis] + 1
        return (self.counts[axis] - 1) * self.stride[axis] + window


def windows(
    sizes: Sequence[int],
    counts: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int] = (1,),
) -> Windows:
    """As torch's arguments say: a single number is meant for every axis, no stride is that of the kernel."""
    each = len(sizes)

    def wide(given: Sequence[int]) -> tuple[int, ...]:
        return tuple(given) if len(given) == each else tuple(given) * each

    return Windows(
        tuple(sizes),
        tuple(counts),
        wide(kernel),
        wide(stride or kernel),
        wide(padding),
        wide(dilation),
    )


@operation("aten.convolution.default")
def convolution(
    call: Call,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Value:
    """A convolution over one or two axes, of groups of channels."""
    if transposed or not is_constant(weight) or weight.rank not in (3, 4):
        raise UnsupportedError("a convolution that is transposed, of computed weights, or over three axes")
    if weight.rank == 3:
        rest = ((1, *stride), (0, *padding), (1, *dilation), transposed, output_padding, groups)
        return _over_one_axis(call, x, weight, bias, *rest)
    where = windows(x.shape[2:], call.shape[2:], weight.shape[2:], stride, padding, dilation)
    result = _convolved(arrange(written_out(x, call.batch), NHWC), weight.tensor, where, groups)
    if bias is not None:
        result = tf.nn.bias_add(result, bias.tensor)
    return Value(result, NHWC, call.shape)


def _over_one_axis(call: Call, x: Value, weight: Value, bias: Value | None, *rest: Any) -> Value:
    """As over two, of which the first has length 1."""

    def flat(sizes: tuple[int, ...]) -> Call:
        return Call((*sizes[:2], 1, *sizes[2:]), call.batch)

    image = shape.unsqueeze(flat(x.shape), x, 2)
    result = convolution(flat(call.shape), image, constant(weight.tensor[:, :, None]), bias, *rest)
    return shape.squeeze(call, result, 2)


def _convolved(x: Any, weight: Any, where: Windows, groups: int) -> Any:
    depthwise = groups > 1 and weight.shape[1] == 1
    dense = _needs_every_place(where, depthwise)
    stride = (1, 1) if dense else where.stride
    padding = "SAME" if where.same and not dense else "VALID"
    if padding == "VALID" and any(map(any, where.pads)):
        x = tf.pad(x, [(0, 0), *where.pads, (0, 0)])
    if depthwise:
        # Torch's (C M, 1, h, w) as (h, w, C, M): a channel's M results lie together in both.
        kernel = weight.reshape(groups, -1, *weight.shape[2:]).transpose(2, 3, 0, 1)
        x = tf.nn.depthwise_conv2d(x, kernel, (1, *stride, 1), padding, dilations=where.dilation)
    else:
        x = _grouped(x, weight.transpose(2, 3, 1, 0), groups, stride, padding, where.dilation)
    return x[:, :: where.stride[0], :: where.stride[1]] if dense else x


def _needs_every_place(where: Windows, depthwise: bool) -> bool:
    """TensorFlow has strides only without dilation, and per channel only equal ones."""
    return (max(where.dilation) > 1 and max(where.stride) > 1) or (
        depthwise and where.stride[0] != where.stride[1]
    )


def _grouped(
    x: Any, kernel: Any, groups: int, stride: Sequence[int], padding: str, dilation: Sequence[int]
) -> Any:
    # One convolution per group: TensorFlow's own grouped one is missing from some of its CPU kernels.
    inputs = tf.split(x, groups, 3) if groups > 1 else [x]
    results = [
        tf.nn.conv2d(part, np.ascontiguousarray(weights), stride, padding, dilations=dilation)
        for part, weights in zip(inputs, np.split(kernel, groups, 3), strict=True)
    ]
    return tf.concat(results, 3) if groups > 1 else results[0]


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
