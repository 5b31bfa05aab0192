"""Detectors as ONNX, at three precisions, opened in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx

from dahlia.boxes import Boxes
from dahlia.errors import VerificationError, runtime_errors
from dahlia.export.onnx.box_outputs import ANSWERS, BOXES, CLASSES, DETECTED_SCORES, GRID
from dahlia.export.onnx.detector_graph import FINDING, detector_graph
from dahlia.export.onnx.graph import (
    BGR,
    FILE_NAME,
    FULL_RANGE,
    IR_VERSION,
    PIXEL_FORMAT,
    PIXEL_RANGE,
    TAGS,
    describe,
    save_graph,
    take_pixels,
)
from dahlia.export.onnx.precision import to_float16, to_int8
from dahlia.export.port import LABELS, Batch, OpenedDetector, Source, detector_of, read_labels, unusable
from dahlia.modeling.card import ModelCard
from dahlia.modeling.detection.grid import read_grid
from dahlia.modeling.detection.outputs import given

OVERLAP, LEAST, MOST = "dahlia.overlap", "dahlia.least", "dahlia.most"


def write_detector(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.onnx`.

    Args:
        folder: where to.
        source: the trained detector.
        flavour: `float32`, `float16` or `int8`, which are those of the backbone. Neck, head and what makes
            boxes of their answers are float32 in each, and so are input and outputs.

    Raises:
        ExportError: an operation of the network has no ONNX form, its strides do not fit its output, or the
            file is refused by the checker.
        TrainingError: the bundle is not whole.
    """
    card = source.card
    proto = detector_graph(source)
    # Neck and head have a fiftieth of the weights. Calibration multiplies the rounding of scores, by three
    # where training was short, and a coordinate in 16 bits would be off by a quarter of a pixel at 416 px.
    wide = [node.name for node in proto.graph.node if node.name.startswith(FINDING)]
    take_pixels(proto.graph, card.channels, 255)
    if flavour == "float16":
        proto = to_float16(proto, wide)
    if flavour == "int8":
        proto = to_int8(proto, source, card.channels, wide=wide)
    complete(proto, card)
    save_graph(folder / FILE_NAME, proto)


def complete(proto: onnx.ModelProto, card: ModelCard) -> None:
    """Let a graph that gives `places` and `scores` answer as its domain's exports do, and say how it is read.

    Args:
        proto: changed in place.
        card: of the detector.

    Raises:
        ExportError: its strides do not fit its output.
    """
    detector = detector_of(card)
    ANSWERS[detector.output](proto, card, detector)
    describe(proto, card)
    for key, value in ((OVERLAP, detector.overlap), (LEAST, detector.least), (MOST, detector.most)):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, str(value)
    proto.ir_version = IR_VERSION


@contextmanager
def opened_detector(folder: Path) -> Iterator[OpenedDetector]:
    """Open `model.onnx` on the CPU.

    All that its users need to know is read from the file: the name of the input, the order of its colours,
    the outputs, and for a grid how boxes that overlap are suppressed.

    Raises:
        VerificationError: the runtime cannot load it, or it names other tags than `labels.txt`; and, when it
            is called, cannot run it, or it answers what is no number.
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
    properties = session.get_modelmeta().custom_metadata_map
    labels = tuple(properties.get(TAGS, "").split("\n"))
    if (folder / LABELS).exists() and read_labels(folder) != labels:
        raise VerificationError(
            f"{path.name} names the tags {', '.join(labels)} and {LABELS} others. Export again."
        )
    read = _READS["grid" if GRID in [one.name for one in session.get_outputs()] else "boxes"]
    taken = session.get_inputs()[0].name

    def find(pixels: Batch) -> Boxes:
        data = np.ascontiguousarray(pixels[:, ::-1]) if properties.get(PIXEL_FORMAT) == BGR else pixels
        data = data if properties.get(PIXEL_RANGE) == FULL_RANGE else data / np.float32(255)
        try:
            found = read(session, {taken: data}, properties)
        except runtime_errors() as error:
            raise unusable(runtime, "run", path.name, error) from error
        return found

    yield OpenedDetector(find, labels, runtime)


def _read_grid(session: Any, data: Mapping[str, Batch], properties: Mapping[str, str]) -> Boxes:
    (answer,) = session.run([GRID], data)
    _require_numbers(answer)
    least = float(properties[LEAST])
    places, scores = read_grid(answer[0], least)
    overlap, most = float(properties[OVERLAP]), int(properties[MOST])
    return given(places, scores, overlap=overlap, least=least, most=most)


def _read_boxes(session: Any, data: Mapping[str, Batch], _: Mapping[str, str]) -> Boxes:
    corners, tags, scores = session.run([BOXES, CLASSES, DETECTED_SCORES], data)
    _require_numbers(corners, scores)
    places = np.concatenate([corners[0, :, :2], corners[0, :, 2:] - corners[0, :, :2]], 1)
    return Boxes(tags[0].astype(np.int32), places, scores[0])


def _require_numbers(*answers: Batch) -> None:
    if not all(np.isfinite(one).all() for one in answers):
        raise VerificationError(
            f"{FILE_NAME} was expected to answer with numbers and answers with infinity, or what is none. "
            "Nothing was written. Choose another flavour or `domain.backbone.architecture`."
        )


_READS: dict[Literal["grid", "boxes"], Callable[[Any, Mapping[str, Batch], Mapping[str, str]], Boxes]] = {
    "grid": _read_grid,
    "boxes": _read_boxes,
}
