"""Numbers stay as they are; where they lie changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.registry import Array, UnsupportedError, operation

Sizes = Sequence[int]


@operation("reshape")
def reshape(x: Array, shape: Sizes) -> Array:
    """Another shape of as many numbers; 0 keeps an axis, -1 takes what is left."""
    return x.reshape([x.shape[axis] if size == 0 else int(size) for axis, size in enumerate(shape)])


@operation("transpose")
def transpose(x: Array, perm: Sizes) -> Array:
    """The axes in another order."""
    return x.transpose([int(axis) for axis in perm])


@operation("expand_dims")
def expand_dims(x: Array, axes: Sizes) -> Array:
    """Axes of length 1 at these places of the result."""
    return np.expand_dims(x, tuple(int(axis) for axis in axes))


@operation("squeeze")
def squeeze(x: Array, axes: Sizes | None = None) -> Array:
    """Without these axes of length 1, or without any."""
    return np.squeeze(x, None if axes is None else tuple(int(axis) for axis in axes))


@operation("flatten2d")
def flatten2d(x: Array, axis: int = 1) -> Array:
    """Two axes: what is before `axis`, and the rest."""
    return x.reshape(int(np.prod(x.shape[:axis], dtype=np.int64)), -1)


@operation("concat")
def concat(values: Any, axis: int, interleave: bool = False) -> Array:
    """One behind another along an axis."""
    if interleave:
        raise UnsupportedError("interleaved parts")
    return np.concatenate(values if isinstance(values, list) else [values], axis)


@operation("stack")
def stack(values: Any, axis: int) -> Array:
    """One behind another along a new axis."""
    return np.stack(values if isinstance(values, list) else [values], axis)


@operation("split")
def split(
    x: Array, axis: int, num_splits: int | None = None, split_sizes: Sizes | None = None
) -> list[Array]:
    """Parts of equal length, or of these lengths, along an axis."""
    if split_sizes is not None:
        return np.split(x, np.cumsum(split_sizes)[:-1], axis)
    if num_splits is None:
        raise UnsupportedError("neither a number nor lengths of parts")
    return np.split(x, num_splits, axis)


@operation("slice_by_index")
def slice_by_index(
    x: Array,
    begin: Sizes,
    end: Sizes,
    stride: Sizes | None = None,
    begin_mask: Sequence[bool] | None = None,
    end_mask: Sequence[bool] | None = None,
    squeeze_mask: Sequence[bool] | None = None,
) -> Array:
    """From `begin` to `end` of each axis; a mask means the whole way, or one place whose axis goes."""
    none = [False] * x.ndim
    begins, ends, alone = (none if mask is None else mask for mask in (begin_mask, end_mask, squeeze_mask))
    places: list[slice | int] = []
    for axis in range(x.ndim):
        step = 1 if stride is None else int(stride[axis])
        if alone[axis]:
            places.append(int(begin[axis]))
        else:
            first = None if begins[axis] else int(begin[axis])
            places.append(slice(first, None if ends[axis] else int(end[axis]), step))
    return x[tuple(places)]


@operation("slice_by_size")
def slice_by_size(x: Array, begin: Sizes, size: Sizes) -> Array:
    """So many places from `begin`; -1 is all that is left."""
    places = []
    for first, count in zip(begin, size, strict=True):
        places.append(slice(int(first), None if count == -1 else int(first) + int(count)))
    return x[tuple(places)]


@operation("tile")
def tile(x: Array, reps: Sizes) -> Array:
    """Repeated so many times along each axis."""
    return np.tile(x, [int(count) for count in reps])


@operation("reverse")
def reverse(x: Array, axes: Sizes | None = None) -> Array:
    """The last first along these axes, or along all."""
    return np.flip(x, None if axes is None else tuple(int(axis) for axis in axes))


@operation("gather")
def gather(x: Array, indices: Array, axis: int = 0) -> Array:
    """The places `indices` of an axis."""
    return np.asarray(np.take(x, np.asarray(indices, np.int64), axis))


@operation("pad")
def pad(x: Array, pad: Sizes, mode: str = "constant", constant_val: float = 0.0) -> Array:
    """More places before and behind the last axes: of one number, of the edge, or mirrored."""
    modes = {"constant": "constant", "replicate": "edge", "reflect": "reflect"}
    if mode not in modes:
        raise UnsupportedError(f"the mode {mode}")
    amounts = [(int(pad[at]), int(pad[at + 1])) for at in range(0, len(pad), 2)]
    wide = [(0, 0)] * (x.ndim - len(amounts)) + amounts
    more: dict[str, Any] = {"constant_values": np.float32(constant_val)} if mode == "constant" else {}
    return np.pad(x, wide, modes[mode], **more)  # type: ignore[call-overload,no-any-return]


@operation("pixel_shuffle")
def pixel_shuffle(x: Array, upscale_factor: int) -> Array:
    """Channels to places: (N, C f f, H, W) to (N, C, H f, W f)."""
    images, channels, height, width = x.shape
    factor = int(upscale_factor)
    parts = x.reshape(images, channels // factor**2, factor, factor, height, width)
    return parts.transpose(0, 1, 4, 2, 5, 3).reshape(images, -1, height * factor, width * factor)
