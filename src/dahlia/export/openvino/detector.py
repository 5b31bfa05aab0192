"""Detectors for OpenVINO: their graph of ONNX, with weights in 16 or 8 bits."""

from __future__ import annotations

from pathlib import Path

from dahlia.export.formats import RAW
from dahlia.export.onnx.box_outputs import ANSWERS, RAW_ANSWERS
from dahlia.export.onnx.detector_graph import FINDING, detector_graph
from dahlia.export.onnx.graph import IR_VERSION, take_pixels
from dahlia.export.onnx.precision import to_int8, with_half_weights
from dahlia.export.openvino._runtime import save_model
from dahlia.export.port import Source, detector_of


def write_detector(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.xml` and `model.bin`: RGB, 0 to 1, to what ONNX answers; see `box_outputs`.

    Args:
        folder: where to.
        source: the trained detector.
        flavour: `float16` or `int8`, which are those of the backbone's weights, and in `int8` of its maps; or
            `raw`, as `float16`, but answering boxes before suppression.

    Raises:
        ExportError: an operation of the network has no form in ONNX or OpenVINO, or its strides do not fit
            its output.
        TrainingError: the bundle is not whole.
    """
    card, detector = source.card, detector_of(source.card)
    proto = detector_graph(source)
    wide = [node.name for node in proto.graph.node if node.name.startswith(FINDING)]
    proto = to_int8(proto, source, wide) if flavour == "int8" else with_half_weights(proto, wide)
    take_pixels(proto.graph, "RGB", full=1)
    answers = RAW_ANSWERS if flavour == RAW else ANSWERS
    answers[detector.output](proto, card, detector)
    proto.ir_version = IR_VERSION
    # OpenVINO would round all constants: those next to 0 and 1, which keep logarithms finite, to 0 and 1.
    save_model(folder, proto, card.backbone.architecture, halve=False)
