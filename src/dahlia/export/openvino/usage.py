"""What the README of a `model.xml` says: the lines that run it, and notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from dahlia.export.onnx.box_outputs import (
    IMAGE,
    RAW_BOXES,
    RAW_PROBS,
)
from dahlia.export.onnx.detector_usage import box_notes, grid_notes
from dahlia.export.port import Usage, detector_of
from dahlia.modeling.backbone_graph import INPUT
from dahlia.modeling.card import DetectorCard, ModelCard

_PACKAGES = "openvino opencv-python-headless numpy"
_REPORTING = (
    "`import openvino` reports its use to Intel unless `openvino-telemetry` is uninstalled or "
    "`opt_in_out --opt_out` was run."
)


def classifier_usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it."""
    size = card.input.size
    lines = f"""\
import cv2
import numpy as np
import openvino

tags = open("labels.txt", encoding="utf-8").read().split("\\n")
model = openvino.Core().compile_model("model.xml", "CPU")
photo = cv2.imread("photo.jpg")
photo = cv2.resize(photo, ({size}, {size}), interpolation=cv2.INTER_AREA)
data = photo[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
probabilities = model({{"data": data}})["model_output"][0]
best = probabilities.argmax()
print(tags[best], probabilities[best])
"""
    kept = "Weights are float16; the device chooses what it computes with."
    notes = (
        f"Input `data`: float32, N x 3 x {size} x {size}, RGB, 0 to 1.",
        f"Output `model_output`: float32, N x {len(card.tags)}, probabilities in the order of `labels.txt`.",
        {
            "float16": kept,
            "raw": kept,
            "int8": "Weights and most maps are 8 bits, ranges learnt from the training photos.",
        }[flavour],
        "Processors with bfloat16 compute in it by default, with about three digits; "
        '`compile_model("model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})` computes in float32.',
        _REPORTING,
    )
    return Usage(_PACKAGES, lines, notes)


def detector_usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it."""
    detector = detector_of(card)
    size = card.input.size
    taken = IMAGE if detector.output == "boxes" else INPUT
    lines = """\
import openvino

from python.object_detection import Reader, read_photo

reader = Reader(".")
exact = {"INFERENCE_PRECISION_HINT": "f32"}
model = openvino.Core().compile_model("model.xml", "CPU", exact)
answers = model([reader.batch(read_photo("photo.jpg", reader.size))])
for found in reader.find({output.get_any_name(): answers[output] for output in model.outputs}):
    if found.score >= 0.3:
        print(*found)
"""
    kept = "what finds boxes in the last maps is float32, as are input and outputs"
    notes = (
        f"Input `{taken}`: float32, 1 x 3 x {size} x {size}, RGB, 0 to 1.",
        *_NOTES[flavour][detector.output](card, detector),
        f"Weights and most maps of the backbone are 8 bits, ranges learnt from the training photos; {kept}."
        if flavour == "int8"
        else f"Weights of the backbone are float16; {kept}.",
        "Devices that compute in 16 bits by default, such as graphics processors, place boxes elsewhere by "
        "up to a quarter of a pixel of the input; the hint in the lines above makes them compute in float32.",
        _REPORTING,
    )
    return Usage(_PACKAGES, lines, notes)


def _raw_notes(card: ModelCard, detector: DetectorCard) -> tuple[str, ...]:
    places = sum((card.input.size // stride) ** 2 for stride in detector.strides)
    return (
        f"Output `{RAW_BOXES}`: float32, 1 x {places} x 4: x and y of the centre, width and height, as "
        "fractions of the photo.",
        f"Output `{RAW_PROBS}`: float32, 1 x {places} x {1 + len(card.tags)}: the probability that nothing "
        "is there, then those of the tags.",
        f"Overlapping boxes are left: of those of one tag that overlap by more than {detector.overlap:g} "
        "(intersection over union) keep the best. `python/object_detection.py` does.",
    )


_Notes = Callable[[ModelCard, DetectorCard], tuple[str, ...]]
_SUPPRESSED: Mapping[Literal["grid", "boxes"], _Notes] = {"grid": grid_notes, "boxes": box_notes}
_NOTES: Mapping[str, Mapping[Literal["grid", "boxes"], _Notes]] = {
    "float16": _SUPPRESSED,
    "int8": _SUPPRESSED,
    "raw": {**_SUPPRESSED, "boxes": _raw_notes},
}
