"""What clients of Custom Vision read in `model.onnx` beside `model_output`: further outputs, and properties.

`classLabel` is the most probable tag and `loss` a dictionary from tag to probability, an entry per image. The
properties, which published samples read, say how the file takes its pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dahlia.export.onnx.graph import OUTPUT
from dahlia.modeling.card import ModelCard

LABEL, SCORES = "classLabel", "loss"
_DOMAIN, _OPSET = "ai.onnx.ml", 3
_TAGS = "tags"
PIXEL_FORMAT, RGB, BGR = "Image.BitmapPixelFormat", "Rgb8", "Bgr8"
PIXEL_RANGE, FULL_RANGE = "Image.NominalPixelRange", "NominalRange_0_255"


def add_class_outputs(proto: onnx.ModelProto, tags: Sequence[str]) -> None:
    """Add `classLabel` (N,) and `loss`, N dictionaries, to a graph that gives `model_output` (N, K)."""
    graph = proto.graph
    graph.initializer.append(numpy_helper.from_array(np.array(tags, object), _TAGS))
    graph.node.extend(
        [
            helper.make_node("ArgMax", [OUTPUT], ["best"], name="best", axis=1, keepdims=0),
            helper.make_node("Gather", [_TAGS, "best"], [LABEL], name=LABEL),
            helper.make_node(
                "ZipMap", [OUTPUT], [SCORES], name=SCORES, domain=_DOMAIN, classlabels_strings=list(tags)
            ),
        ]
    )
    batch = graph.output[0].type.tensor_type.shape.dim[0].dim_param
    scores = helper.make_map_type_proto(
        TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    graph.output.extend(
        [
            helper.make_tensor_value_info(LABEL, TensorProto.STRING, [batch]),
            helper.make_value_info(SCORES, helper.make_sequence_type_proto(scores)),
        ]
    )
    proto.opset_import.append(helper.make_opsetid(_DOMAIN, _OPSET))


def tags_of(proto: onnx.ModelProto) -> tuple[str, ...]:
    """The tags among which `classLabel` chooses, in the order of the columns; none where it does not."""
    for tensor in proto.graph.initializer:
        if tensor.name == _TAGS:
            return tuple(tag.decode() for tag in tensor.string_data)
    return ()


def describe(proto: onnx.ModelProto, card: ModelCard) -> None:
    """Write into the file how it wants its pixels, and which model it is."""
    proto.producer_name, proto.producer_version = "dahlia", card.dahlia_version
    helper.set_model_props(
        proto,
        {
            PIXEL_FORMAT: BGR if card.channels == "BGR" else RGB,
            PIXEL_RANGE: FULL_RANGE,
            "Image.ColorSpaceGamma": "SRGB",
            "dahlia.tags": "\n".join(tag.name for tag in card.tags),
            "dahlia.domain": card.domain,
            "dahlia.version": card.dahlia_version,
        },
    )
