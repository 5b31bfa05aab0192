"""`model.json` and `weights.bin`: a frozen graph as TensorFlow.js loads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dahlia.errors import ExportError
from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.graph import INPUT, OUTPUT, ImageGraph
from dahlia.files import staged_file, write_text
from dahlia.modeling.card import ModelCard

MODEL = "model.json"
WEIGHTS = "weights.bin"
_Array = npt.NDArray[Any]
# TensorFlow.js has no wider numbers.
_NARROWED = {"float64": "float32", "float32": "float32", "int64": "int32", "int32": "int32", "bool": "bool"}
# As listed by @tensorflow/tfjs-converter 4.22.0, and with a kernel in @tensorflow/tfjs-backend-wasm.
_NAMES = """
Abs Add AddV2 All Any AvgPool BatchMatMulV2 BatchToSpaceND BiasAdd Cast Ceil ClipByValue ConcatV2
Const Conv2D Cos DepthToSpace DepthwiseConv2dNative Elu Equal Erf Exp ExpandDims Fill Floor Greater
GreaterEqual Identity LeakyRelu Less LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr MatMul Max
MaxPool Maximum Mean Min Minimum MirrorPad Mul Neg NotEqual Pack Pad PadV2 Placeholder Pow Prod
RealDiv Reciprocal Relu Relu6 Reshape ReverseV2 Rsqrt Select SelectV2 Selu Shape Sigmoid Sign Sin
Slice Softmax Softplus SpaceToBatchND Split SplitV Sqrt Square SquaredDifference Squeeze
StridedSlice Sub Sum Tanh Tile Transpose Unpack ZerosLike
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
        "signature": _signature(graph.size, len(card.tags)),
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


def _signature(size: int, tags: int) -> dict[str, Any]:
    def end(name: str, shape: tuple[int, ...]) -> dict[str, Any]:
        dims = [{"size": str(length)} for length in shape]
        return {name: {"name": f"{name}:0", "dtype": "DT_FLOAT", "tensorShape": {"dim": dims}}}

    return {"inputs": end(INPUT, (-1, size, size, 3)), "outputs": end(OUTPUT, (-1, tags))}


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
