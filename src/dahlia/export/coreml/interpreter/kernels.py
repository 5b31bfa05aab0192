"""Convolution and pooling of one batch of maps, in numpy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dahlia.export.coreml.interpreter.registry import Array, UnsupportedError

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Windows:
    """Where windows lie over a map: taps, steps between windows and between taps, padding of each axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: Pads

    def counts(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """How many windows lie along each axis of an unpadded map."""
        return tuple(
            (size + sum(pads) - (kernel - 1) * dilation - 1) // stride + 1
            for size, kernel, stride, dilation, pads in zip(
                sizes, self.kernel, self.stride, self.dilation, self.pads, strict=True
            )
        )


def same_pads(sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], *, lower: bool) -> Pads:
    """Core ML's `same`: as many windows as steps fit into the map; an odd pixel goes behind, or before it."""
    pads = []
    for size, taps, step in zip(sizes, kernel, stride, strict=True):
        missing = max(0, (-(-size // step) - 1) * step + taps - size)
        less, more = missing // 2, missing - missing // 2
        pads.append((more, less) if lower else (less, more))
    return tuple(pads)


def padded(x: Array, pads: Pads, value: float) -> Array:
    """The last axes of `x` with `value` around them; negative pads are not known."""
    if not any(itertools.chain(*pads)):
        return x
    return np.pad(x, [(0, 0)] * (x.ndim - len(pads)) + list(pads), constant_values=np.float32(value))


def taps(x: Array, windows: Windows, counts: Sequence[int]) -> list[Array]:
    """For each tap of the window, what all windows see there: views of a padded map, (..., *counts)."""
    views = []
    for tap in itertools.product(*(range(size) for size in windows.kernel)):
        places = [
            slice(at * dilation, at * dilation + (count - 1) * stride + 1, stride)
            for at, dilation, count, stride in zip(tap, windows.dilation, counts, windows.stride, strict=True)
        ]
        views.append(x[tuple([slice(None)] * (x.ndim - len(places)) + places)])
    return views


def convolve(x: Array, weight: Array, bias: Array | None, windows: Windows, groups: int) -> Array:
    """(N, C, *sizes) with (O, C / groups, *kernel) to (N, O, *counts)."""
    images, channels = x.shape[:2]
    counts = windows.counts(x.shape[2:])
    views = taps(padded(x, windows.pads, 0.0), windows, counts)
    answers = len(weight)
    if channels != weight.shape[1] * groups or answers % groups:
        raise UnsupportedError(f"weights of shape {weight.shape} in {groups} groups on {channels} channels")
    if weight.shape[1] == 1 and answers == channels:
        answer = _each_channel(views, weight.reshape(channels, -1))
    else:
        answer = _product(views, weight, groups).reshape(images, answers, *counts)
    if bias is not None:
        answer += bias.reshape(-1, *[1] * len(counts))
    return answer


def _each_channel(views: list[Array], weight: Array) -> Array:
    ones = (1,) * (views[0].ndim - 2)
    answer = views[0] * weight[:, 0].reshape(-1, *ones)
    for number, view in enumerate(views[1:], 1):
        answer += view * weight[:, number].reshape(-1, *ones)
    return answer


def _product(views: list[Array], weight: Array, groups: int) -> Array:
    images, channels = views[0].shape[:2]
    inner = channels // groups
    stacked = views[0] if len(views) == 1 else np.stack(views, 2)
    columns = stacked.reshape(images, groups, inner * len(views), -1)
    return np.asarray(np.matmul(weight.reshape(groups, len(weight) // groups, -1), columns))


def pool_maximum(x: Array, windows: Windows) -> Array:
    """The largest of each window; padding is never it."""
    return np.asarray(np.maximum.reduce(_pool_taps(x, windows, -np.inf)))


def pool_average(x: Array, windows: Windows, *, without_padding: bool) -> Array:
    """The mean of each window, of all its taps or of those on the map."""
    total = np.add.reduce(_pool_taps(x, windows, 0.0))
    if not without_padding:
        return np.asarray(total / np.float32(np.prod(windows.kernel)))
    ones = np.ones((1, 1, *x.shape[2:]), np.float32)
    return np.asarray(total / np.add.reduce(_pool_taps(ones, windows, 0.0)))


def _pool_taps(x: Array, windows: Windows, outside: float) -> list[Array]:
    return taps(padded(x, windows.pads, outside), windows, windows.counts(x.shape[2:]))


def with_last_pixel(windows: Windows, sizes: Sequence[int]) -> Windows:
    """Windows that go on until the last pixel is seen, but none that begins behind the map."""
    pads = []
    for axis, size in enumerate(sizes):
        before, behind = windows.pads[axis]
        reach = (windows.kernel[axis] - 1) * windows.dilation[axis] + 1
        count = -(-(size + before + behind - reach) // windows.stride[axis]) + 1
        if (count - 1) * windows.stride[axis] >= size + before:
            count -= 1
        pads.append((before, max(behind, (count - 1) * windows.stride[axis] + reach - size - before)))
    return Windows(windows.kernel, windows.stride, windows.dilation, tuple(pads))
