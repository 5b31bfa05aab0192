"""Numbers stay as they are; where they lie changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.files import messages
from dahlia.export.coreml.interpreter.registry import Array, Layer, UnsupportedError, layer, operation

Sizes = Sequence[int]


@operation("reshape")
def reshape(x: Array, shape: Sizes) -> Array:
    """Another shape of as many numbers; 0 keeps an axis, -1 takes what is left."""
    return x.reshape([x.shape[axis] if size == 0 else int(size) for axis, size in enumerate(shape)])


@layer("reshapeStatic")
def reshape_layer(made: Layer, x: Array) -> Array:
    """Another shape of as many numbers."""
    return x.reshape(tuple(made.parameters.targetShape))


@layer("rankPreservingReshape")
def rank_preserving_reshape_layer(made: Layer, x: Array) -> Array:
    """Another shape of as many axes; 0 keeps one."""
    return reshape(x, tuple(made.parameters.targetShape))


@operation("transpose")
def transpose(x: Array, perm: Sizes) -> Array:
    """The axes in another order."""
    return x.transpose([int(axis) for axis in perm])


@layer("transpose")
def transpose_layer(made: Layer, x: Array) -> Array:
    """The axes in another order."""
    return x.transpose(tuple(made.parameters.axes))


@operation("expand_dims")
def expand_dims(x: Array, axes: Sizes) -> Array:
    """Axes of length 1 at these places of the result."""
    return np.expand_dims(x, tuple(int(axis) for axis in axes))


@layer("expandDims")
def expand_dims_layer(made: Layer, x: Array) -> Array:
    """Axes of length 1 at these places of the result."""
    return np.expand_dims(x, tuple(made.parameters.axes))


@operation("squeeze")
def squeeze(x: Array, axes: Sizes | None = None) -> Array:
    """Without these axes of length 1, or without any."""
    return np.squeeze(x, None if axes is None else tuple(int(axis) for axis in axes))


@layer("squeeze")
def squeeze_layer(made: Layer, x: Array) -> Array:
    """Without these axes of length 1, or without any."""
    return np.squeeze(x, None if made.parameters.squeezeAll else tuple(made.parameters.axes))


@operation("flatten2d")
def flatten2d(x: Array, axis: int = 1) -> Array:
    """Two axes: what is before `axis`, and the rest."""
    return x.reshape(int(np.prod(x.shape[:axis], dtype=np.int64)), -1)


@layer("flattenTo2D")
def flatten_layer(made: Layer, x: Array) -> Array:
    """Two axes: what is before one, and the rest."""
    return flatten2d(x, made.parameters.axis)


@operation("concat")
def concat(values: Any, axis: int, interleave: bool = False) -> Array:
    """One behind another along an axis."""
    if interleave:
        raise UnsupportedError("interleaved parts")
    return np.concatenate(values if isinstance(values, list) else [values], axis)


@layer("concatND")
def concat_layer(made: Layer, *inputs: Array) -> Array:
    """One behind another along an axis."""
    return concat(list(inputs), made.parameters.axis, made.parameters.interleave)


@layer("concat")
def concat_channels_layer(made: Layer, *inputs: Array) -> Array:
    """One behind another along the channels."""
    if made.parameters.sequenceConcat:
        raise UnsupportedError("parts in sequence")
    return np.concatenate(inputs, -3)


@operation("stack")
def stack(values: Any, axis: int) -> Array:
    """One behind another along a new axis."""
    return np.stack(values if isinstance(values, list) else [values], axis)


@layer("stack")
def stack_layer(made: Layer, *inputs: Array) -> Array:
    """One behind another along a new axis."""
    return np.stack(inputs, made.parameters.axis)


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


@layer("splitND")
def split_layer(made: Layer, x: Array) -> list[Array]:
    """Parts of equal length, or of given lengths, along an axis."""
    own = made.parameters
    return split(x, own.axis, own.numSplits, list(own.splitSizes) or None)


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


@layer("sliceStatic")
def slice_static_layer(made: Layer, x: Array) -> Array:
    """From one place to another of every axis."""
    own = made.parameters
    none = [False] * x.ndim
    return slice_by_index(
        x,
        own.beginIds,
        own.endIds,
        own.strides,
        own.beginMasks or none,
        own.endMasks or none,
        own.squeezeMasks or none,
    )


@layer("slice")
def slice_axis_layer(made: Layer, x: Array) -> Array:
    """From one place to another of the channels, rows or columns."""
    own = made.parameters
    kinds = messages().NeuralNetwork_pb2.SliceLayerParams.SliceAxis
    axis = {"CHANNEL_AXIS": -3, "HEIGHT_AXIS": -2, "WIDTH_AXIS": -1}[kinds.Name(own.axis)]
    places = [slice(None)] * x.ndim
    places[axis] = slice(own.startIndex, own.endIndex, own.stride or 1)
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


@layer("tile")
def tile_layer(made: Layer, x: Array) -> Array:
    """Repeated along each axis."""
    return tile(x, tuple(made.parameters.reps))


@operation("reverse")
def reverse(x: Array, axes: Sizes | None = None) -> Array:
    """The last first along these axes, or along all."""
    return np.flip(x, None if axes is None else tuple(int(axis) for axis in axes))


@layer("reverse")
def reverse_layer(made: Layer, x: Array) -> Array:
    """The last first along some axes."""
    return np.flip(x, tuple(axis for axis, turned in enumerate(made.parameters.reverseDim) if turned))


@operation("gather")
def gather(x: Array, indices: Array, axis: int = 0) -> Array:
    """The places `indices` of an axis."""
    return np.asarray(np.take(x, np.asarray(indices, np.int64), axis))


@layer("gather")
def gather_layer(made: Layer, x: Array, indices: Array) -> Array:
    """The places of an axis that the second input names."""
    return gather(x, indices, made.parameters.axis)


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


@layer("constantPad")
def constant_pad_layer(made: Layer, x: Array) -> Array:
    """More places before and behind each axis, of one number."""
    own = made.parameters
    if own.padToGivenOutputSizeMode:
        raise UnsupportedError("a length to pad to")
    return pad(x, tuple(own.padAmounts), constant_val=own.value)


@operation("pixel_shuffle")
def pixel_shuffle(x: Array, upscale_factor: int) -> Array:
    """Channels to places: (N, C f f, H, W) to (N, C, H f, W f)."""
    images, channels, height, width = x.shape
    factor = int(upscale_factor)
    parts = x.reshape(images, channels // factor**2, factor, factor, height, width)
    return parts.transpose(0, 1, 4, 2, 5, 3).reshape(images, -1, height * factor, width * factor)
