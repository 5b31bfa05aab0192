"""OpenVINO's intermediate representation, in float16 and with 8 bits."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dahlia.errors import ExportError
from dahlia.export.onnx.graph import OUTPUT, probability_graph
from dahlia.export.onnx.precision import to_int8
from dahlia.export.port import Batch, Opened, Source, Usage, read_labels, unusable
from dahlia.modeling.backbone_graph import INPUT
from dahlia.modeling.card import ModelCard

FILE_NAME = "model.xml"
_REPORTS = "openvino_telemetry"


def _load() -> Any:
    # Importing it sends usage statistics, unless the package that sends them is absent.
    absent = _REPORTS not in sys.modules
    if absent:
        sys.modules[_REPORTS] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        if absent:
            del sys.modules[_REPORTS]


ov: Any = _load()
_RUNTIME = f"OpenVINO {ov.__version__}"


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.xml` and `model.bin`: `data` (N, 3, size, size) RGB, 0 to 1, to `model_output` (N, K).

    Args:
        folder: where to.
        source: the trained model.
        flavour: `float16` (weights; what is computed with is the device's choice) or `int8`.

    Raises:
        ExportError: an operation of the backbone has no form in ONNX or OpenVINO.
        TrainingError: the bundle is not whole.
    """
    proto = probability_graph(source, "RGB", full=1)
    if flavour == "int8":
        proto = to_int8(proto, source, "RGB", full=1)
    try:
        model = ov.Core().read_model(proto.SerializeToString())
    except RuntimeError as error:
        text = " ".join(str(error).split())[:300]
        raise ExportError(
            f"{_RUNTIME} cannot read the graph of {source.card.backbone.architecture}: {text}. Choose "
            "another backbone in conf/domain."
        ) from error
    _name_by_place(model)
    ov.save_model(model, folder / FILE_NAME, compress_to_fp16=True)


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open it on the CPU, computing in float32.

    Raises:
        VerificationError: the runtime cannot load it; and, when it is called, cannot run it.
    """
    path = folder / FILE_NAME
    # Processors with bfloat16 compute in it unless told otherwise, each with other digits.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    try:
        compiled = ov.Core().compile_model(path, "CPU", exact)
        given, answered = compiled.input(INPUT), compiled.output(OUTPUT)
    except RuntimeError as error:
        raise unusable(_RUNTIME, "load", path.name, error) from error

    def run(pixels: Batch) -> Batch:
        try:
            answer = compiled({given: pixels / np.float32(255)})[answered]
        except RuntimeError as error:
            raise unusable(_RUNTIME, "run", path.name, error) from error
        return np.array(answer, np.float32)

    yield Opened(run, read_labels(folder), _RUNTIME)


def usage(card: ModelCard, flavour: str) -> Usage:
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
    kept = {
        "float16": "Weights are float16; the device chooses what it computes with.",
        "int8": "Weights and most maps are 8 bits, ranges learnt from the training photos.",
    }
    notes = (
        f"Input `data`: float32, N x 3 x {size} x {size}, RGB, 0 to 1.",
        f"Output `model_output`: float32, N x {len(card.tags)}, probabilities in the order of `labels.txt`.",
        kept[flavour],
        "Processors with bfloat16 compute in it by default, with about three digits; "
        '`compile_model("model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})` computes in float32.',
        "`import openvino` reports its use to Intel unless `openvino-telemetry` is uninstalled or "
        "`opt_in_out --opt_out` was run.",
    )
    return Usage("openvino opencv-python-headless numpy", lines, notes)


def _name_by_place(model: Any) -> None:
    """Name what the graph leaves without a name by its place; a counter of the process names it otherwise."""
    for place, node in enumerate(model.get_ordered_ops()):
        if node.get_friendly_name() == node.get_name():
            node.set_friendly_name(f"{node.get_type_name()}_{place}")
