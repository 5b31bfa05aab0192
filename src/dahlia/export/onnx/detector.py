"""Detectors as ONNX, at three precisions."""

from __future__ import annotations

from pathlib import Path

import onnx

from dahlia.export.box_answers import rule_properties
from dahlia.export.onnx.box_outputs import ANSWERS
from dahlia.export.onnx.detector_graph import FINDING, detector_graph
from dahlia.export.onnx.graph import FILE_NAME, IR_VERSION, describe, save_graph, take_pixels
from dahlia.export.onnx.precision import to_float16, to_int8
from dahlia.export.port import Source, detector_of
from dahlia.modeling.card import ModelCard


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
    if flavour == "int8":
        proto = to_int8(proto, source, wide)
    take_pixels(proto.graph, card.channels, 255)
    if flavour == "float16":
        proto = to_float16(proto, wide)
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
    for key, value in rule_properties(detector).items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    proto.ir_version = IR_VERSION
