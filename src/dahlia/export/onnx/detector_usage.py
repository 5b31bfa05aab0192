"""What the README of a detector's `model.onnx` says: the lines that find objects in a photo, and notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from dahlia.export.onnx.box_outputs import BOXES, CLASSES, DETECTED_SCORES, GRID, IMAGE
from dahlia.export.port import Usage, detector_of
from dahlia.modeling.backbone_graph import INPUT, OPSET
from dahlia.modeling.card import DetectorCard, ModelCard
from dahlia.modeling.detection.grid import ANCHORS, PLACE

_PACKAGES = "onnxruntime opencv-python-headless numpy"
_LINES = """\
import onnxruntime

from python.object_detection import Reader, read_photo

reader = Reader(".")
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
data = reader.batch(read_photo("photo.jpg", reader.size))
values = session.run(names, {session.get_inputs()[0].name: data})
for found in reader.find(dict(zip(names, values))):
    if found.score >= 0.3:
        print(*found)
"""
_REST = "what finds boxes in the last maps is float32, as are input and outputs."
_KEPT = {
    "float32": "Weights and maps are float32.",
    "float16": f"Weights and most maps of the backbone are float16; {_REST}",
    "int8": f"Weights and most maps of the backbone are 8 bits (QDQ), ranges learnt from the training "
    f"photos; {_REST}",
}


def detector_usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it."""
    detector = detector_of(card)
    size = card.input.size
    taken = IMAGE if detector.output == "boxes" else INPUT
    return Usage(
        _PACKAGES,
        _LINES,
        (
            f"Input `{taken}`: float32, 1 x 3 x {size} x {size}, {card.channels}, 0 to 255. The properties "
            "`Image.BitmapPixelFormat` and `Image.NominalPixelRange` say so.",
            *_NOTES[detector.output](card, detector),
            _KEPT[flavour],
            f"Operator set {OPSET}: ONNX Runtime 1.17 and later.",
        ),
    )


def box_notes(card: ModelCard, detector: DetectorCard) -> tuple[str, ...]:
    """What a README says of outputs that are boxes."""
    return (
        f"Output `{BOXES}`: float32, 1 x n x 4: left, top, right and bottom edge, as fractions of the photo.",
        f"Output `{CLASSES}`: int64, 1 x n, numbers of lines in `labels.txt`, from 0.",
        f"Output `{DETECTED_SCORES}`: float32, 1 x n, the highest first, from {detector.least:g}.",
        f"Of boxes of one tag that overlap by more than {detector.overlap:g} (intersection over union) the "
        f"best one is given, and at most {detector.most} of a photo. Nothing is left to be done.",
    )


def grid_notes(card: ModelCard, detector: DetectorCard) -> tuple[str, ...]:
    """What a README says of an output that is a grid."""
    channels = len(ANCHORS) * (PLACE + len(card.tags))
    cells = card.input.size // max(detector.strides)
    return (
        f"Output `{GRID}`: float32, 1 x {channels} x {cells} x {cells}, the grid of YOLOv2 as Custom "
        f"Vision's compact detectors give it: {len(ANCHORS)} anchors of {PLACE} + {len(card.tags)} numbers: "
        "x, y, width, height, objectness and class logits. `python/object_detection.py` reads it.",
        "Overlapping boxes are left in it: of those of one tag that overlap by more than "
        f"{detector.overlap:g} (intersection over union) keep the best.",
    )


_NOTES: dict[Literal["grid", "boxes"], Callable[[ModelCard, DetectorCard], tuple[str, ...]]] = {
    "grid": grid_notes,
    "boxes": box_notes,
}
