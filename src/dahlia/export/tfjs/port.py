"""TensorFlow.js: `model.json` and `weights.bin`, made of the frozen graph and opened in Node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dahlia.errors import ExportError, VerificationError
from dahlia.export.port import LABELS, Batch, Opened, Source, Usage, read_labels
from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.graph import INPUT, OUTPUT, ImageGraph
from dahlia.export.tensorflow.port import image_notes
from dahlia.export.tfjs.node import Session, started
from dahlia.files import staged_file, write_text
from dahlia.modeling.card import ModelCard

_PACKAGES = "@tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 sharp@0.34"
# Means of areas, as in training: once along the height, once along the width. Each time the axes swap.
_LINES = """\
// JavaScript
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import sharp from 'sharp';

await tf.setBackend('wasm');
const { weightsManifest: [{ weights }], ...model } = JSON.parse(readFileSync('model.json'));
const weightData = new Uint8Array(readFileSync('weights.bin')).buffer;
const network = await tf.loadGraphModel(tf.io.fromMemory({ ...model, weightSpecs: weights, weightData }));

const range = (length) => Array.from({ length }, (_, index) => index);
const overlap = (i, j, step) => Math.max(0, Math.min((i + 1) * step, j + 1) - Math.max(i * step, j)) / step;
const squash = (x) => tf.matMul(
  tf.tensor2d(range(SIZE).map((i) => range(x.shape[0]).map((j) => overlap(i, j, x.shape[0] / SIZE)))),
  x.reshape([x.shape[0], -1])).reshape([SIZE, x.shape[1], 3]).transpose([1, 0, 2]);

const file = sharp('photo.jpg').rotate().toColourspace('srgb').removeAlpha().raw();
const { data, info } = await file.toBuffer({ resolveWithObject: true });
const photo = squash(squash(tf.tensor3d(new Float32Array(data), [info.height, info.width, 3]))).round();
const probabilities = network.predict(photoREVERSE.expandDims()).dataSync();
const best = probabilities.indexOf(Math.max(...probabilities));
console.log(readFileSync('labels.txt', 'utf8').split('\\n')[best], probabilities[best]);
process.exit();"""


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.json` and `weights.bin`; the one flavour is `float32`.

    Raises:
        ExportError: an operation of the network has no TensorFlow.js form.
        TrainingError: the bundle is not whole.
    """
    from dahlia.export.tensorflow.graph import frozen_graph

    del flavour
    write_graph_model(folder, frozen_graph(source, source.card.channels), source.card)


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open it in TensorFlow.js; the labels are those in `model.json`.

    Raises:
        VerificationError: Node or TensorFlow.js is not available, a file is missing or damaged, labels are
            others than those in `labels.txt`; and, when it is run, TensorFlow.js cannot run it.
    """
    model = _read(folder)
    about = model["userDefinedMetadata"]
    labels = tuple(about["labels"])
    if labels != read_labels(folder):
        raise VerificationError(
            f"{folder / LABELS} and {MODEL} name other tags, expected the same in the same order: one of "
            "them is of another training. Export again."
        )
    with started(folder / MODEL) as session:
        swapped = about["Image.BitmapPixelFormat"] == "Bgr8"
        yield Opened(lambda pixels: _ask(session, pixels, swapped), labels, session.runtime)


def _ask(session: Session, pixels: Batch, swapped: bool) -> Batch:
    return session.run(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)[..., :: -1 if swapped else 1]))


def _read(folder: Path) -> dict[str, Any]:
    try:
        model: dict[str, Any] = json.loads((folder / MODEL).read_text(encoding="utf-8"))
        size = (folder / WEIGHTS).stat().st_size
        needed = sum(_bytes(spec) for group in model["weightsManifest"] for spec in group["weights"])
        about = model["userDefinedMetadata"]
        missing = {"labels", "Image.BitmapPixelFormat"} - set(about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error
    if missing:
        raise _damaged(folder, f"its metadata lacks {', '.join(sorted(missing))}")
    if size != needed:
        raise _damaged(folder, f"{WEIGHTS} has {size} bytes, expected {needed}")
    return model


def _bytes(spec: dict[str, Any]) -> int:
    return int(np.prod(spec["shape"], dtype=np.int64)) * (1 if spec["dtype"] == "bool" else 4)


def _damaged(folder: Path, what: str) -> VerificationError:
    return VerificationError(
        f"{folder} was expected to hold a graph model of TensorFlow.js ({MODEL}, {WEIGHTS}): {what}. Export "
        "again."
    )


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it in Node, and what to change in a browser.

    The packages are npm's and the lines are JavaScript, to be run as a module: `node photo.mjs`.
    """
    del flavour
    reverse = ".reverse(2)" if card.channels == "BGR" else ""
    return Usage(
        packages=_PACKAGES,
        lines=_LINES.replace("SIZE", str(card.input.size)).replace("REVERSE", reverse),
        notes=(*image_notes(card), *_notes(reverse)),
    )


def _notes(reverse: str) -> tuple[str, ...]:
    return (
        "Save the lines as `photo.mjs` and run `node photo.mjs` in Node 18 or later; the packages are npm's.",
        "In a browser `await tf.loadGraphModel('model.json')` reads both files, and "
        f"`tf.browser.fromPixels(image){reverse}` gives the pixels of an `<img>`.",
        "`model.json` says in its `userDefinedMetadata` (`network.metadata`) what the `labels` are and, in "
        "`Image.BitmapPixelFormat`, the order of the colours; `@microsoft/customvision-tfjs` reads it there.",
    )


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
