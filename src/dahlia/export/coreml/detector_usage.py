"""What the README of a detector's Core ML model says: Python for macOS, and the Swift that an app needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from dahlia.export.coreml.classifier_usage import systems
from dahlia.export.coreml.package import file_name
from dahlia.export.port import Usage, detector_of
from dahlia.modeling.card import DetectorCard, ModelCard
from dahlia.modeling.detection.grid import ANCHORS, PLACE

_SHOWN = 0.3  # the lowest score that the lines print
_HEAD = """\
import coremltools as ct
import cv2
import numpy as np
from PIL import Image

tags = open("labels.txt", encoding="utf-8").read().split("\\n")
photo = cv2.imread("photo.jpg")
height, width = photo.shape[:2]
how = cv2.INTER_AREA if min(height, width) > {size} else cv2.INTER_LINEAR
small = cv2.resize(photo, ({size}, {size}), interpolation=how)
image = Image.fromarray(small[:, :, ::-1].copy())  # OpenCV reads BGR, Pillow holds RGB
answer = ct.models.MLModel("{file}").predict({{"data": image}})
"""
_VISION = """\
```swift
let request = VNCoreMLRequest(model: try VNCoreMLModel(for: model(configuration: .init()).model))
request.imageCropAndScaleOption = .scaleFill
try VNImageRequestHandler(cgImage: photo).perform([request])
"""
_FOUND = """\
for case let found as VNRecognizedObjectObservation in request.results ?? [] {
    print(found.labels[0].identifier, found.confidence, found.boundingBox)  // from the bottom left corner
}
```"""
_READ_GRID = """\
let grid = (request.results as! [VNCoreMLFeatureValueObservation])[0].featureValue.multiArrayValue!
func at(_ channel: Int, _ row: Int, _ column: Int) -> Double {{
    grid[[0, 0, channel, row, column] as [NSNumber]].doubleValue
}}
func sigmoid(_ x: Double) -> Double {{ 1 / (1 + exp(-x)) }}
let anchors = [{anchors}]
for row in 0..<{cells} {{ for column in 0..<{cells} {{ for (number, anchor) in anchors.enumerated() {{
    let first = number * {each}
    let powers = (0..<{tags}).map {{ exp(at(first + {place} + $0, row, column)) }}
    let score = sigmoid(at(first + 4, row, column)) * powers.max()! / powers.reduce(0, +)
    if score < {shown} {{ continue }}
    let w = exp(at(first + 2, row, column)) * anchor.0 / {cells}
    let h = exp(at(first + 3, row, column)) * anchor.1 / {cells}
    let x = (sigmoid(at(first, row, column)) + Double(column)) / {cells} - w / 2
    let y = (sigmoid(at(first + 1, row, column)) + Double(row)) / {cells} - h / 2
    print(powers.firstIndex(of: powers.max()!)!, score, CGRect(x: x, y: y, width: w, height: h))
}} }} }}
```"""


def detector_usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it."""
    detector, file = detector_of(card), file_name(flavour)
    lines, notes = _USAGES[detector.output](card, detector)
    size = card.input.size
    return Usage(
        packages="coremltools opencv-python-headless pillow numpy",
        lines=_HEAD.format(size=size, file=file) + lines,
        notes=(
            f"Runs on {systems(file)} and later; the Python lines run on macOS alone.",
            f"Input `data`: an image of {size} x {size} pixels, 0 to 255. The model asks for {card.channels} "
            "and Core ML turns any image into that; scaling is inside the model.",
            *notes,
            "Places are fractions of the photo, which is stretched to the size of the input.",
            *_KEPT.get(flavour, ()),
        ),
    )


_KEPT = {
    "float16": (
        "The backbone is float16; what finds boxes in the last maps is float32, as are the outputs.",
    ),
    "mlmodel-float16": (
        "Weights of the backbone are kept as float16, those of what finds boxes in the last maps as float32.",
    ),
}


def _of_boxes(card: ModelCard, detector: DetectorCard) -> tuple[str, tuple[str, ...]]:
    lines = f"""\
for (x, y, w, h), scores in zip(answer["coordinates"], answer["confidence"]):
    if scores.max() >= {_SHOWN}:
        place = (x - w / 2) * width, (y - h / 2) * height, w * width, h * height
        print(tags[scores.argmax()], round(float(scores.max()), 3), *(round(float(one)) for one in place))
"""
    return lines, (
        "Output `coordinates`: n x 4: centre x, centre y, width and height, as Core ML's suppression and "
        "Vision have them. The top left corner is half a width and half a height before the centre.",
        f"Output `confidence`: n x {len(card.tags)}: the score of the box in the column of its tag, 0 in the "
        "others.",
        f"Of boxes of one tag that overlap by more than {detector.overlap:g} (intersection over union) the "
        f"best one is given, from a score of {detector.least:g}, at most {detector.most} of a photo. The "
        "optional inputs `iouThreshold` and `confidenceThreshold` replace the first two.",
        f"In an app, add the model to the Xcode target and ask Vision, which knows it as a detector:\n\n"
        f"{_VISION}{_FOUND}",
    )


def _of_grid(card: ModelCard, detector: DetectorCard) -> tuple[str, tuple[str, ...]]:
    anchors = ", ".join(f"[{width}, {height}]" for width, height in ANCHORS)
    lines = f"""\
grid = answer["model_outputs0"]


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
    cells, each = card.input.size // max(detector.strides), PLACE + len(card.tags)
    swift = _READ_GRID.format(
        anchors=", ".join(f"({width}, {height})" for width, height in ANCHORS),
        cells=cells,
        each=each,
        place=PLACE,
        tags=len(card.tags),
        shown=_SHOWN,
    )
    return lines, (
        f"Output `model_outputs0`: 1 x 1 x {len(ANCHORS) * each} x {cells} x {cells}, the grid of YOLOv2 as "
        f"Custom Vision's compact detectors give it: {len(ANCHORS)} anchors of {PLACE} + {len(card.tags)} "
        "numbers: x, y, width, height, objectness and class logits. The lines above read it.",
        "Overlapping boxes are left in it: of those of one tag that overlap by more than "
        f"{detector.overlap:g} (intersection over union) keep the best.",
        f"In an app, add the model to the Xcode target, ask Vision for the grid, and read it:\n\n"
        f"{_VISION}{swift}",
    )


_USAGES: dict[Literal["grid", "boxes"], Callable[[ModelCard, DetectorCard], tuple[str, tuple[str, ...]]]] = {
    "grid": _of_grid,
    "boxes": _of_boxes,
}
