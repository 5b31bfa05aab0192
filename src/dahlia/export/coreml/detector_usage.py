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
_LINES = """\
import coremltools as ct
from PIL import Image

from python.object_detection import Reader, read_photo

reader = Reader(".")
model = ct.models.MLModel("{file}")
photo = read_photo("photo.jpg", reader.size)[:, :, ::-1]  # OpenCV reads BGR, Pillow holds RGB
for found in reader.find(model.predict({{"data": Image.fromarray(photo.copy())}})):
    if found.score >= {shown}:
        print(*found)
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
    size = card.input.size
    return Usage(
        packages="coremltools opencv-python-headless pillow numpy",
        lines=_LINES.format(file=file, shown=_SHOWN),
        notes=(
            f"Runs on {systems(file)} and later; the Python lines run on macOS alone.",
            f"Input `data`: an image of {size} x {size} pixels, 0 to 255. The model asks for {card.channels} "
            "and Core ML turns any image into that; scaling is inside the model.",
            *_NOTES[detector.output](card, detector),
            *_KEPT.get(flavour, ()),
        ),
    )


_KEPT = {
    "float16": (
        "Most of the backbone is float16; its first maps, what finds boxes in the last ones, and the outputs "
        "are float32.",
    ),
    "mlmodel-float16": (
        "Most weights of the backbone are kept as float16, those of what finds boxes in the last maps as "
        "float32.",
    ),
}


def _box_notes(card: ModelCard, detector: DetectorCard) -> tuple[str, ...]:
    return (
        "Output `coordinates`: n x 4: centre x, centre y, width and height as fractions of the photo, as "
        "Vision has them. The top left corner is half a width and half a height before the centre.",
        f"Output `confidence`: n x {len(card.tags)}: the score of the box in the column of its tag, 0 in the "
        "others.",
        f"Of boxes of one tag that overlap by more than {detector.overlap:g} (intersection over union) the "
        f"best one is given, from a score of {detector.least:g}, at most {detector.most} of a photo. The "
        "optional inputs `iouThreshold` and `confidenceThreshold` replace the first two.",
        "In an app, add the model to the Xcode target and ask Vision, which sees a detector in it:\n\n"
        f"{_VISION}{_FOUND}",
    )


def _grid_notes(card: ModelCard, detector: DetectorCard) -> tuple[str, ...]:
    cells, each = card.input.size // max(detector.strides), PLACE + len(card.tags)
    swift = _READ_GRID.format(
        anchors=", ".join(f"({width}, {height})" for width, height in ANCHORS),
        cells=cells,
        each=each,
        place=PLACE,
        tags=len(card.tags),
        shown=_SHOWN,
    )
    return (
        f"Output `model_outputs0`: 1 x 1 x {len(ANCHORS) * each} x {cells} x {cells}, the grid of YOLOv2 as "
        f"Custom Vision's compact detectors give it: {len(ANCHORS)} anchors of {PLACE} + {len(card.tags)} "
        "numbers: x, y, width, height, objectness and class logits. `python/object_detection.py` reads it.",
        "Overlapping boxes are left in it: of those of one tag that overlap by more than "
        f"{detector.overlap:g} (intersection over union) keep the best.",
        "In an app, add the model to the Xcode target, ask Vision for the grid, and read it; places are "
        f"counted from the top left corner:\n\n{_VISION}{swift}",
    )


_NOTES: dict[Literal["grid", "boxes"], Callable[[ModelCard, DetectorCard], tuple[str, ...]]] = {
    "grid": _grid_notes,
    "boxes": _box_notes,
}
