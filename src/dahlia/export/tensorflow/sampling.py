"""Operations that take numbers from other places: enlarged maps, and places named by a list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.values import (
    NHWC,
    Call,
    UnsupportedError,
    Value,
    arrange,
    is_constant,
    is_dynamic,
    operation,
    written_out,
)


@operation("aten.upsample_nearest2d.vec")
def enlarge(call: Call, x: Value, size: Sequence[int] | None, factors: Sequence[float] | None) -> Value:
    """Each place as a block of equal ones."""
    del size, factors
    before, after = x.shape[2:], call.shape[2:]
    if any(new % old for old, new in zip(before, after, strict=True)):
        raise UnsupportedError(f"an enlargement of {before} to {after}, no whole multiple")
    image = arrange(written_out(x, call.batch), NHWC)
    return Value(tf.raw_ops.ResizeNearestNeighbor(images=image, size=list(after)), NHWC, call.shape)


@operation("aten.index_select.default")
def select_places(call: Call, x: Value, dim: int, places: Value) -> Value:
    """The places along one axis that a list names, in its order."""
    if not is_constant(places) or is_dynamic(x.shape[dim]):
        raise UnsupportedError("places that are computed, or those of images")
    axis = x.axis(dim)
    if x.repeated(axis):
        return Value(x.tensor, x.order, call.shape)
    return Value(tf.gather(x.tensor, places.tensor.astype(np.int32), axis=axis), x.order, call.shape)
