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
_SHOWN = 0.3  # the lowest score that the lines print
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
    lines, notes = _USAGES[detector.output](card, detector)
    size = card.input.size
    taken = IMAGE if detector.output == "boxes" else INPUT
    return Usage(
        _PACKAGES,
        lines,
        (
            f"Input `{taken}`: float32, 1 x 3 x {size} x {size}, {card.channels}, 0 to 255. The properties "
            "`Image.BitmapPixelFormat` and `Image.NominalPixelRange` say so.",
            *notes,
            "Places are fractions of the photo, which is stretched to the size of the input.",
            _KEPT[flavour],
            f"Operator set {OPSET}: ONNX Runtime 1.17 and later.",
        ),
    )


def _head(card: ModelCard, taken: str, outputs: str, names: str) -> str:
    size = card.input.size
    turn = "" if card.channels == "BGR" else "[:, :, ::-1]"
    return f"""\
import cv2
import numpy as np
import onnxruntime

tags = open("labels.txt", encoding="utf-8").read().split("\\n")
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
photo = cv2.imread("photo.jpg")
height, width = photo.shape[:2]
how = cv2.INTER_AREA if min(height, width) > {size} else cv2.INTER_LINEAR
small = cv2.resize(photo, ({size}, {size}), interpolation=how){turn}
data = small.transpose(2, 0, 1)[None].astype(np.float32)
{names} = session.run({outputs}, {{"{taken}": data}})
"""


def _of_boxes(card: ModelCard, detector: DetectorCard) -> tuple[str, tuple[str, ...]]:
    outputs = f'["{BOXES}", "{CLASSES}", "{DETECTED_SCORES}"]'
    lines = f"""\
{_head(card, IMAGE, outputs, "boxes, classes, scores")}
for (x1, y1, x2, y2), tag, score in zip(boxes[0], classes[0], scores[0]):
    if score >= {_SHOWN}:
        place = x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height
        print(tags[tag], round(float(score), 3), *(round(float(one)) for one in place))
"""
    return lines, (
        f"Output `{BOXES}`: float32, 1 x n x 4: left, top, right and bottom edge, as fractions of the photo.",
        f"Output `{CLASSES}`: int64, 1 x n, numbers of lines in `labels.txt`, from 0.",
        f"Output `{DETECTED_SCORES}`: float32, 1 x n, the highest first, from {detector.least:g}.",
        f"Of boxes of one tag that overlap by more than {detector.overlap:g} (intersection over union) the "
        f"best one is given, and at most {detector.most} of a photo. Nothing is left to be done.",
    )


def _of_grid(card: ModelCard, detector: DetectorCard) -> tuple[str, tuple[str, ...]]:
    anchors = ", ".join(f"[{width}, {height}]" for width, height in ANCHORS)
    lines = f"""\
{_head(card, INPUT, f'["{GRID}"]', "(grid,)")}

def sigmoid(values):
    return 1 / (1 + np.exp(-values))


cells = grid.shape[-1]
places = grid.reshape({len(ANCHORS)}, -1, cells, cells).transpose(2, 3, 0, 1)  # row, column, anchor, number
anchors = np.array([{anchors}])
corners = np.stack(np.meshgrid(range(cells), range(cells)), -1)[:, :, None]
centres = (sigmoid(places[..., :2]) + corners) / cells
edges = np.exp(places[..., 2:4]) * anchors / cells
shares = np.exp(places[..., {PLACE}:])
scores = sigmoid(places[..., 4:5]) * shares / shares.sum(-1, keepdims=True)
boxes = (np.concatenate([centres - edges / 2, edges], -1) * [width, height, width, height]).reshape(-1, 4)
scores = scores.reshape(len(boxes), -1)
number, tag = np.nonzero(scores >= {_SHOWN})
boxes, scores = boxes[number], scores[number, tag]
for one in cv2.dnn.NMSBoxesBatched(boxes, scores, tag, {_SHOWN}, {detector.overlap:g}):
    print(tags[tag[one]], round(float(scores[one]), 3), *boxes[one].round().astype(int))
"""
    channels = len(ANCHORS) * (PLACE + len(card.tags))
    cells = card.input.size // max(detector.strides)
    return lines, (
        f"Output `{GRID}`: float32, 1 x {channels} x {cells} x {cells}, the grid of YOLOv2 as Custom "
        f"Vision's compact detectors give it: {len(ANCHORS)} anchors of {PLACE} + {len(card.tags)} numbers: "
        "x, y, width, height, objectness and class logits. The lines above read it.",
        "Overlapping boxes are left in it: of those of one tag that overlap by more than "
        f"{detector.overlap:g} (intersection over union) keep the best.",
    )


_USAGES: dict[Literal["grid", "boxes"], Callable[[ModelCard, DetectorCard], tuple[str, tuple[str, ...]]]] = {
    "grid": _of_grid,
    "boxes": _of_boxes,
}
