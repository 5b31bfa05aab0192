"""Layers that move numbers."""

from __future__ import annotations

import numpy as np

from dahlia.export.coreml.interpreter.layers.layer import Layer
from dahlia.export.coreml.interpreter.operations import shape as operations
from dahlia.export.coreml.interpreter.registry import Array, UnsupportedError, layer
from dahlia.export.coreml.interpreter.schema import messages


@layer("reshapeStatic")
def reshape(made: Layer, x: Array) -> Array:
    """Another shape of as many numbers."""
    return x.reshape(tuple(made.parameters.targetShape))


@layer("rankPreservingReshape")
def rank_preserving_reshape(made: Layer, x: Array) -> Array:
    """Another shape of as many axes; 0 keeps one."""
    return operations.reshape(x, tuple(made.parameters.targetShape))


@layer("flattenTo2D")
def flatten(made: Layer, x: Array) -> Array:
    """Two axes: what is before one, and the rest."""
    return operations.flatten2d(x, made.parameters.axis)


@layer("transpose")
def transpose(made: Layer, x: Array) -> Array:
    """The axes in another order."""
    return x.transpose(tuple(made.parameters.axes))


@layer("expandDims")
def expand_dims(made: Layer, x: Array) -> Array:
    """Axes of length 1 at these places of the result."""
    return np.expand_dims(x, tuple(made.parameters.axes))


@layer("squeeze")
def squeeze(made: Layer, x: Array) -> Array:
    """Without these axes of length 1, or without any."""
    return np.squeeze(x, None if made.parameters.squeezeAll else tuple(made.parameters.axes))


@layer("concatND")
def concat(made: Layer, *inputs: Array) -> Array:
    """One behind another along an axis."""
    return operations.concat(list(inputs), made.parameters.axis, made.parameters.interleave)


@layer("concat")
def concat_channels(made: Layer, *inputs: Array) -> Array:
    """One behind another along the channels."""
    if made.parameters.sequenceConcat:
        raise UnsupportedError("parts in sequence")
    return np.concatenate(inputs, -3)


@layer("stack")
def stack(made: Layer, *inputs: Array) -> Array:
    """One behind another along a new axis."""
    return np.stack(inputs, made.parameters.axis)


@layer("splitND")
def split(made: Layer, x: Array) -> list[Array]:
    """Parts of equal length, or of given lengths, along an axis."""
    own = made.parameters
    return operations.split(x, own.axis, own.numSplits, list(own.splitSizes) or None)


@layer("slice")
def slice_axis(made: Layer, x: Array) -> Array:
    """From one place to another of the channels, rows or columns."""
    own = made.parameters
    kinds = messages().NeuralNetwork_pb2.SliceLayerParams.SliceAxis
    axis = {"CHANNEL_AXIS": -3, "HEIGHT_AXIS": -2, "WIDTH_AXIS": -1}[kinds.Name(own.axis)]
    places = [slice(None)] * x.ndim
    places[axis] = slice(own.startIndex, own.endIndex, own.stride or 1)
    return x[tuple(places)]


@layer("sliceStatic")
def slice_static(made: Layer, x: Array) -> Array:
    """From one place to another of every axis."""
    own = made.parameters
    none = [False] * x.ndim
    return operations.slice_by_index(
        x,
        own.beginIds,
        own.endIds,
        own.strides,
        own.beginMasks or none,
        own.endMasks or none,
        own.squeezeMasks or none,
    )


@layer("gather")
def gather(made: Layer, x: Array, indices: Array) -> Array:
    """The places of an axis that the second input names."""
    return operations.gather(x, indices, made.parameters.axis)


@layer("tile")
def tile(made: Layer, x: Array) -> Array:
    """Repeated along each axis."""
    return operations.tile(x, tuple(made.parameters.reps))


@layer("reverse")
def reverse(made: Layer, x: Array) -> Array:
    """The last first along some axes."""
    return np.flip(x, tuple(axis for axis, turned in enumerate(made.parameters.reverseDim) if turned))


@layer("constantPad")
def constant_pad(made: Layer, x: Array) -> Array:
    """More places before and behind each axis, of one number."""
    own = made.parameters
    if own.padToGivenOutputSizeMode:
        raise UnsupportedError("a length to pad to")
    return operations.pad(x, tuple(own.padAmounts), constant_val=own.value)
