"""OpenVINO's intermediate representation, in float16 and with 8 bits.

Its flavour `raw` is Custom Vision's `NoPostProcess`: what a detector finds before suppression. Other models
suppress nothing, and are in it what they are in float16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dahlia.export.onnx.graph import OUTPUT, probability_graph, take_pixels
from dahlia.export.onnx.precision import to_int8
from dahlia.export.openvino._runtime import RUNTIME, cannot, compiled_model, save_model
from dahlia.export.openvino.detector import write_detector
from dahlia.export.openvino.detector_file import opened_detector
from dahlia.export.openvino.usage import classifier_usage, detector_usage
from dahlia.export.port import Batch, Opened, Source, Usage, read_labels
from dahlia.kinds import Kind
from dahlia.modeling.backbone_graph import INPUT
from dahlia.modeling.card import ModelCard

__all__ = ["opened", "opened_detector", "usage", "write"]


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.xml` and `model.bin`.

    That of a classifier takes `data` (N, 3, size, size) RGB, 0 to 1, and gives `model_output` (N, K).

    Args:
        folder: where to.
        source: the trained model.
        flavour: `float16` (weights; what is computed with is the device's choice), `int8`, or `raw`.

    Raises:
        ExportError: an operation of the backbone has no form in ONNX or OpenVINO.
        TrainingError: the bundle is not whole.
    """
    _WRITERS[source.card.kind](folder, source, flavour)


def _write_classifier(folder: Path, source: Source, flavour: str) -> None:
    proto = probability_graph(source)
    if flavour == "int8":
        proto = to_int8(proto, source)
    take_pixels(proto.graph, "RGB", full=1)
    save_model(folder, proto, source.card.backbone.architecture, halve=True)


_WRITERS: dict[Kind, Callable[[Path, Source, str], None]] = {
    "multiclass": _write_classifier,
    "multilabel": _write_classifier,
    "detection": write_detector,
}


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open it on the CPU, computing in float32.

    Raises:
        VerificationError: the runtime cannot load it; and, when it is called, cannot run it.
    """
    compiled = compiled_model(folder)
    try:
        given, answered = compiled.input(INPUT), compiled.output(OUTPUT)
    except RuntimeError as error:
        raise cannot("load", error) from error

    def run(pixels: Batch) -> Batch:
        try:
            answer = compiled({given: pixels / np.float32(255)})[answered]
        except RuntimeError as error:
            raise cannot("run", error) from error
        return np.array(answer, np.float32)

    yield Opened(run, read_labels(folder), RUNTIME)


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it."""
    return _USAGES[card.kind](card, flavour)


_USAGES: dict[Kind, Callable[[ModelCard, str], Usage]] = {
    "multiclass": classifier_usage,
    "multilabel": classifier_usage,
    "detection": detector_usage,
}
