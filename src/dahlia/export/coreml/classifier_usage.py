"""What the README of a classifier's Core ML model says: Python for macOS, and the Swift that an app needs."""

from __future__ import annotations

from dahlia.export.coreml.package import PACKAGE, file_name
from dahlia.export.port import Usage
from dahlia.modeling.card import ModelCard

_PYTHON = """\
from pathlib import Path

import coremltools as ct
import cv2
from PIL import Image

tags = Path("labels.txt").read_text(encoding="utf-8").split("\\n")
photo = cv2.imread("photo.jpg")
photo = cv2.resize(photo, ({size}, {size}), interpolation=cv2.INTER_AREA)
image = Image.fromarray(photo[..., ::-1].copy())  # OpenCV reads BGR, Pillow holds RGB
answer = ct.models.MLModel("{file}").predict({{"data": image}})["loss"]
probabilities = [answer[tag] for tag in tags]
best = probabilities.index(max(probabilities))
print(tags[best], probabilities[best])
"""
_SWIFT = """\
```swift
let request = VNCoreMLRequest(model: try VNCoreMLModel(for: model(configuration: .init()).model))
request.imageCropAndScaleOption = .scaleFill
try VNImageRequestHandler(cgImage: photo).perform([request])  // request.results: tag and confidence
```"""


def classifier_usage(card: ModelCard, flavour: str) -> Usage:
    """Python for macOS, and the lines of Swift that an app needs."""
    file = file_name(flavour)
    size = card.input.size
    return Usage(
        packages="coremltools opencv-python-headless pillow",
        lines=_PYTHON.format(size=size, file=file),
        notes=(
            f"Runs on {systems(file)} and later; the Python lines run on macOS alone.",
            f"Input `data`: an image of {size} x {size} pixels, 0 to 255. The model asks for "
            f"{card.channels} and Core ML turns any image into that; scaling is inside the model.",
            "Output `classLabel`: the most probable tag. Output `loss`: the probability of each tag.",
            f"In an app, add `{file}` to the Xcode target and ask Vision:\n\n{_SWIFT}",
        ),
    )


def systems(file: str) -> str:
    """The oldest systems that run it."""
    return (
        "iOS 15 or macOS 12"
        if file == PACKAGE
        else "iOS 13 or macOS 10.15 (some networks iOS 14 or macOS 11)"
    )
