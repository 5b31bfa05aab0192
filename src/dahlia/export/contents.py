"""What the files beside a model say of it, by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dahlia.export.box_answers import rule_properties
from dahlia.export.port import detector_of, output_of
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard
from dahlia.modeling.detection.grid import ANCHORS


@dataclass(frozen=True)
class Content:
    """What is said of a model.

    Attributes:
        noun: what it is.
        reading: how a README tells people to read its answers, as the end of a sentence.
        calibration: what its numbers mean, as a sentence.
        domain_type: Custom Vision's word for the task.
        method: Custom Vision's name for what makes answers of the outputs.
        biases: widths and heights of the grid's anchors, in cells, one after the other; without a grid, none.
        suppression: of a grid's boxes of one tag that overlap by more than this, the best one stays; 0 where
            the graph has done it.
        properties: of a detector, how its boxes are chosen.
        scripts: what lies in `python/`, by the family of formats: names of files, and the modules that they
            are in `dahlia.export.zip_scripts`.
        raw: whether files of the flavour `raw` answer something else than those of the default.
    """

    noun: str
    reading: str
    calibration: str
    domain_type: str
    method: str
    biases: tuple[float, ...] = ()
    suppression: float = 0.0
    properties: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    raw: bool = False


def _classifier(card: ModelCard) -> Content:
    output = output_of(card)
    return Content(
        noun="An image classifier",
        reading=output.reading,
        calibration="Probabilities are calibrated: of answers with 0.9, about nine in ten are right on "
        "photos like those it\n  learned from.",
        domain_type="Classification",
        method=output.method,
    )


def _detector(card: ModelCard) -> Content:
    detector = detector_of(card)
    grid = detector.output == "grid"
    return Content(
        noun="An object detector",
        reading="each box has a tag and a score of its own, and may reach a little beyond the photo",
        calibration="Scores are calibrated: of boxes with 0.9, about nine in ten are right on photos like "
        "those it\n  learned from.",
        domain_type="ObjectDetection",
        method="Yolo" if grid else "SSD",
        biases=tuple(number for anchor in ANCHORS for number in anchor) if grid else (),
        suppression=detector.overlap if grid else 0.0,
        properties=rule_properties(detector),
        scripts=_SCRIPTS,
        raw=not grid,
    )


_READER = {"object_detection.py": "object_detection"}
_TENSORFLOW = {**_READER, "predict.py": "tensorflow_predict"}
# Core ML runs on macOS, and TensorFlow.js in JavaScript: their zips have what reads answers, not what runs.
_SCRIPTS: dict[str, Mapping[str, str]] = {
    "onnx": {**_READER, "onnxruntime_predict.py": "onnxruntime_predict"},
    "coreml": _READER,
    "tensorflow": _TENSORFLOW,
    "litert": _TENSORFLOW,
    "tfjs": _READER,
    "openvino": {**_READER, "predict.py": "openvino_predict"},
    "docker": {"predict.py": "docker_predict"},
}


CONTENTS: dict[Kind, Callable[[ModelCard], Content]] = {
    "multiclass": _classifier,
    "multilabel": _classifier,
    "detection": _detector,
}
