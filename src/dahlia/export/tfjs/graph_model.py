"""The files of TensorFlow.js, made of a frozen graph: `model.json` and `weights.bin`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dahlia.errors import ExportError
from dahlia.export.port import detector_of
from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.graph import BOXES, CLASSES, INPUT, OUTPUT, SCORES, ImageGraph
from dahlia.files import staged_file, write_text
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard
from dahlia.modeling.detection.grid import ANCHORS, PLACE

MODEL = "model.json"
WEIGHTS = "weights.bin"
_Array = npt.NDArray[Any]
# TensorFlow.js has no wider numbers.
_NARROWED = {"float64": "float32", "float32": "float32", "int64": "int32", "int32": "int32", "bool": "bool"}
# As listed by @tensorflow/tfjs-converter 4.22.0, and with a kernel in @tensorflow/tfjs-backend-wasm.
_NAMES = """
Abs Add AddV2 All Any AvgPool BatchMatMulV2 BatchToSpaceND BiasAdd Cast Ceil ClipByValue ConcatV2
Const Conv2D Cos DepthToSpace DepthwiseConv2dNative Elu Equal Erf Exp ExpandDims Fill Floor
FloorDiv GatherV2 Greater GreaterEqual Identity LeakyRelu Less LessEqual Log Log1p LogicalAnd
LogicalNot LogicalOr MatMul Max MaxPool Maximum Mean Min Minimum MirrorPad Mul Neg
NonMaxSuppressionV4 NotEqual Pack Pad PadV2 Placeholder Pow Prod RealDiv Reciprocal Relu Relu6
Reshape ResizeNearestNeighbor ReverseV2 Rsqrt Select SelectV2 Selu Shape Sigmoid Sign Sin Slice
Softmax Softplus SpaceToBatchND Split SplitV Sqrt Square SquaredDifference Squeeze StridedSlice Sub
Sum Tanh Tile TopKV2 Transpose Unpack ZerosLike
"""
KNOWN = frozenset(_NAMES.split())


def write_graph_model(folder: Path, graph: ImageGraph, card: ModelCard) -> None:
    """Write `model.json` and `weights.bin`.

    Raises:
        ExportError: TensorFlow.js has no such operation, or no such kind of number.
    """
    definition = type(graph.definition)()
    definition.CopyFrom(graph.definition)
    _write_erfc_out(definition)
    _require_known(definition, card)
    weights = {node.name: _taken(node, card) for node in definition.node if node.op == "Const"}
    model = {
        "format": "graph-model",
        "generatedBy": tf.__version__,
        "convertedBy": f"Dahlia {card.dahlia_version}",
        "signature": _signature(card),
        "userDefinedMetadata": _metadata(card),
        "modelTopology": _as_json(definition),
        "weightsManifest": [{"paths": [WEIGHTS], "weights": [_spec(*item) for item in weights.items()]}],
    }
    with staged_file(folder / WEIGHTS) as staged:
        staged.write_bytes(b"".join(array.tobytes() for array in weights.values()))
    write_text(folder / MODEL, json.dumps(model, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def _write_erfc_out(definition: Any) -> None:
    """The complementary error function, which TensorFlow.js lacks and GELU is made of, as `1 - erf`."""
    for node in [node for node in definition.node if node.op == "Erfc"]:
        one = definition.node.add(name=f"{node.name}/one", op="Const")
        one.attr["dtype"].type = node.attr["T"].type
        one.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(1.0, tf.float32))
        erf = definition.node.add(name=f"{node.name}/erf", op="Erf", input=list(node.input))
        erf.attr["T"].CopyFrom(node.attr["T"])
        node.op = "Sub"
        node.input[:] = [one.name, erf.name]


def _require_known(definition: Any, card: ModelCard) -> None:
    for node in definition.node:
        if node.op not in KNOWN:
            raise ExportError(
                f"The network of {card.domain} cannot be written for TensorFlow.js, which has no operation "
                f"{node.op} (of the node {node.name}). Export to ONNX instead (ONNX Runtime runs in browsers "
                "too), or choose another `domain.backbone.architecture`."
            )


def _taken(node: Any, card: ModelCard) -> _Array:
    """The numbers of a constant, which are taken out of its node."""
    held = node.attr["value"].tensor
    array: _Array = tf.make_ndarray(held)
    kind = _NARROWED.get(array.dtype.name)
    if kind is None:
        raise ExportError(
            f"The network of {card.domain} cannot be written for TensorFlow.js, which has no numbers of "
            f"{array.dtype.name} (of the node {node.name}). Choose another `domain.backbone.architecture`."
        )
    held.CopyFrom(type(held)(dtype=held.dtype, tensor_shape=held.tensor_shape))
    # Little-endian, whatever the machine.
    return array.astype(np.dtype(kind).newbyteorder("<"), order="C")


def _spec(name: str, array: _Array) -> dict[str, Any]:
    return {"name": name, "shape": list(array.shape), "dtype": array.dtype.name}


def _as_json(definition: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    topology: dict[str, Any] = MessageToDict(definition)
    for node in topology["node"]:
        # In the order of their names, which a message does not keep.
        node["attr"] = dict(sorted(node.get("attr", {}).items()))
    return topology


def _signature(card: ModelCard) -> dict[str, Any]:
    ends = _ENDS[card.kind](card)
    size = card.input.size
    return {
        "inputs": _end(INPUT, "DT_FLOAT", (ends.batch, size, size, 3)),
        "outputs": {
            key: value
            for name, (kind, shape) in ends.outputs.items()
            for key, value in _end(name, kind, shape).items()
        },
    }


def _end(name: str, kind: str, shape: tuple[int, ...]) -> dict[str, Any]:
    dims = [{"size": str(length)} for length in shape]
    return {name: {"name": f"{name}:0", "dtype": kind, "tensorShape": {"dim": dims}}}


@dataclass(frozen=True)
class _Ends:
    """How many photos a graph takes, and types and shapes of what it answers; -1 is any number."""

    batch: int
    outputs: dict[str, tuple[str, tuple[int, ...]]]


def _ends_of_classifier(card: ModelCard) -> _Ends:
    return _Ends(-1, {OUTPUT: ("DT_FLOAT", (-1, len(card.tags)))})


def _ends_of_detector(card: ModelCard) -> _Ends:
    detector = detector_of(card)
    if detector.output == "grid":
        cells = card.input.size // max(detector.strides)
        channels = len(ANCHORS) * (PLACE + len(card.tags))
        return _Ends(-1, {OUTPUT: ("DT_FLOAT", (-1, cells, cells, channels))})
    outputs: dict[str, tuple[str, tuple[int, ...]]] = {
        BOXES: ("DT_FLOAT", (-1, 4)),
        SCORES: ("DT_FLOAT", (-1,)),
        CLASSES: ("DT_INT32", (-1,)),  # there are no wider whole numbers
    }
    return _Ends(1, outputs)


_ENDS: dict[Kind, Callable[[ModelCard], _Ends]] = {
    "multiclass": _ends_of_classifier,
    "multilabel": _ends_of_classifier,
    "detection": _ends_of_detector,
}


def _metadata(card: ModelCard) -> dict[str, Any]:
    # The first three as in ONNX; readers of Custom Vision's exports look for the first.
    return {
        "Image.BitmapPixelFormat": "Rgb8" if card.channels == "RGB" else "Bgr8",
        "Image.NominalPixelRange": "NominalRange_0_255",
        "Image.ColorSpaceGamma": "SRGB",
        "labels": [tag.name for tag in card.tags],
        "domain": card.domain,
        "project": card.project,
        "version": card.data_fingerprint[:16],
    }
