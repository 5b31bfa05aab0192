"""ONNX, at three precisions, opened in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from dahlia.errors import VerificationError, runtime_errors
from dahlia.export.onnx.box_outputs import BOXES, GRID
from dahlia.export.onnx.detector import write_detector
from dahlia.export.onnx.detector_file import MOST_EDGE, opened_detector
from dahlia.export.onnx.detector_usage import detector_usage
from dahlia.export.onnx.graph import (
    BGR,
    FILE_NAME,
    FULL_RANGE,
    LABEL,
    OUTPUT,
    PIXEL_FORMAT,
    PIXEL_RANGE,
    SCORES,
    add_class_outputs,
    describe,
    probability_graph,
    save_graph,
    tags_of,
    take_pixels,
)
from dahlia.export.onnx.precision import to_float16, to_int8
from dahlia.export.port import Batch, Opened, Run, Source, Usage, unusable
from dahlia.kinds import Kind
from dahlia.modeling.backbone_graph import INPUT, OPSET
from dahlia.modeling.card import ModelCard

__all__ = ["detects", "input_size", "opened", "opened_detector", "usage", "write"]

_PROBES = 4


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.onnx`.

    Args:
        folder: where to.
        source: the trained model.
        flavour: `float32`, `float16` or `int8`; input and outputs are float32 in each.

    Raises:
        ExportError: an operation of the network has no ONNX form, or the file is refused by the checker.
        TrainingError: the bundle is not whole.
    """
    _WRITERS[source.card.kind](folder, source, flavour)


def _write_classifier(folder: Path, source: Source, flavour: str) -> None:
    proto = probability_graph(source)
    if flavour == "int8":
        proto = to_int8(proto, source)
    take_pixels(proto.graph, source.card.channels, 255)
    if flavour == "float16":
        proto = to_float16(proto)
    add_class_outputs(proto, [tag.name for tag in source.card.tags])
    describe(proto, source.card)
    save_graph(folder / FILE_NAME, proto)


_WRITERS: dict[Kind, Callable[[Path, Source, str], None]] = {
    "multiclass": _write_classifier,
    "multilabel": _write_classifier,
    "detection": write_detector,
}


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open `model.onnx` on the CPU.

    Order and range of its colours are read from its properties, as Custom Vision's published samples do. The
    tags are those of `classLabel`, which is run once and must say what `model_output` says, like `loss`.

    Raises:
        VerificationError: the runtime cannot load it, or its outputs contradict each other; and, when it is
            called, cannot run it.
    """
    import onnxruntime

    path = folder / FILE_NAME
    runtime = f"ONNX Runtime {onnxruntime.__version__}"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except runtime_errors() as error:
        raise unusable(runtime, "load", path.name, error) from error
    tags = tags_of(onnx.load(path))
    run = _runner(session, path, runtime)
    _require_agreement(session, tags, path, runtime)
    yield Opened(run, tags, runtime)


def input_size(folder: Path) -> int:
    """Pixels of an edge of the photos that a classifier's `model.onnx` takes."""
    data = onnx.load(folder / FILE_NAME).graph.input[0]
    return int(data.type.tensor_type.shape.dim[-1].dim_value)


def detects(folder: Path) -> bool:
    """Whether `model.onnx` is a detector's.

    Raises:
        VerificationError: it is no ONNX file.
    """
    from google.protobuf.message import DecodeError

    path = folder / FILE_NAME
    try:
        outputs = {one.name for one in onnx.load(path, load_external_data=False).graph.output}
    except (OSError, ValueError, DecodeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise VerificationError(
            f"Expected {path.name} as an ONNX file, received one that cannot be read: {reason}. Export "
            "again, or name another file."
        ) from error
    return bool(outputs & {GRID, BOXES})


def _runner(session: Any, path: Path, runtime: str) -> Run:
    properties = session.get_modelmeta().custom_metadata_map
    turned = properties.get(PIXEL_FORMAT) == BGR
    full = 255 if properties.get(PIXEL_RANGE) == FULL_RANGE else 1

    def run(pixels: Batch) -> Batch:
        data = np.ascontiguousarray(pixels[:, ::-1] if turned else pixels)
        data = data if full == 255 else data / np.float32(255)
        try:
            return np.asarray(session.run([OUTPUT], {INPUT: data})[0], np.float32)
        except runtime_errors() as error:
            raise unusable(runtime, "run", path.name, error) from error

    return run


def _require_agreement(session: Any, tags: tuple[str, ...], path: Path, runtime: str) -> None:
    """Ask for all outputs at once, on random pixels."""
    shape = session.get_inputs()[0].shape if session.get_inputs() else []
    if len(shape) != 4 or not all(isinstance(edge, int) and 0 < edge <= MOST_EDGE for edge in shape[1:]):
        raise VerificationError(
            f"Expected {path.name} to take images of fixed size, (N, 3, height, width) with edges up to "
            f"{MOST_EDGE}, received {shape}. Export again."
        )
    data = np.random.default_rng(0).uniform(0, 255, (_PROBES, *shape[1:])).astype(np.float32)
    try:
        rows, labels, scores = session.run([OUTPUT, LABEL, SCORES], {INPUT: data})
    except runtime_errors() as error:
        raise unusable(runtime, "run", path.name, error) from error
    best = [tags[column] for column in rows.argmax(1)] if rows.shape[1] == len(tags) else None
    said = [dict(zip(tags, row.tolist(), strict=False)) for row in rows]
    if best != list(labels) or said != scores:
        raise VerificationError(
            f"{path.name} contradicts itself: `{LABEL}` and `{SCORES}` were expected to say what `{OUTPUT}` "
            f"says of {', '.join(tags)}; for random pixels they give {labels[0]!r} and {scores[0]} where it "
            f"gives {rows[0]}. Export again."
        )


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it."""
    return _USAGES[card.kind](card, flavour)


def _classifier_usage(card: ModelCard, flavour: str) -> Usage:
    size, order = card.input.size, card.channels
    turn = "" if order == "BGR" else "photo = photo[:, :, ::-1]\n"
    lines = f"""\
import cv2
import numpy as np
import onnxruntime

tags = open("labels.txt", encoding="utf-8").read().split("\\n")
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
photo = cv2.imread("photo.jpg")
photo = cv2.resize(photo, ({size}, {size}), interpolation=cv2.INTER_AREA)
{turn}data = photo.transpose(2, 0, 1)[None].astype(np.float32)
probabilities = session.run(["model_output"], {{"data": data}})[0][0]
best = probabilities.argmax()
print(tags[best], probabilities[best])
"""
    return Usage("onnxruntime opencv-python-headless numpy", lines, _notes(card, flavour))


def _notes(card: ModelCard, flavour: str) -> tuple[str, ...]:
    size, order = card.input.size, card.channels
    kept = {
        "float32": "Weights and maps are float32.",
        "float16": "Weights and most maps are float16; input and outputs are float32.",
        "int8": "Weights and most maps are 8 bits (QDQ), ranges learnt from the training photos; input and "
        "outputs are float32.",
    }
    return (
        f"Input `data`: float32, N x 3 x {size} x {size}, {order}, 0 to 255. The properties "
        "`Image.BitmapPixelFormat` and `Image.NominalPixelRange` say so.",
        f"Output `model_output`: float32, N x {len(card.tags)}, probabilities in the order of `labels.txt`.",
        "Output `classLabel`: N strings, the most probable tags.",
        "Output `loss`: N dictionaries from tag to probability.",
        kept[flavour],
        f"Operator set {OPSET}: ONNX Runtime 1.17 and later.",
    )


_USAGES: dict[Kind, Callable[[ModelCard, str], Usage]] = {
    "multiclass": _classifier_usage,
    "multilabel": _classifier_usage,
    "detection": detector_usage,
}
