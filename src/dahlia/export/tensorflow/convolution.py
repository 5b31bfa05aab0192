"""Convolutions: NHWC, with torch's padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dahlia.export.tensorflow import shape
from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.registry import Call, UnsupportedError, operation
from dahlia.export.tensorflow.values import NHWC, Value, arrange, constant, is_constant, written_out
from dahlia.export.tensorflow.windows import Windows, windows


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
