"""ONNX, at three precisions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dahlia.export.onnx.class_outputs import add_class_outputs
from dahlia.export.onnx.graph import FILE_NAME, OPSET, probability_graph, save_graph
from dahlia.export.onnx.half import to_float16
from dahlia.export.onnx.properties import describe
from dahlia.export.onnx.quantisation import to_int8
from dahlia.export.onnx.session import open_onnx
from dahlia.export.port import Opened, Usage
from dahlia.export.source import Source
from dahlia.modeling.card import ModelCard


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.onnx`.

    Args:
        folder: where to.
        source: the trained model.
        flavour: `float32`, `float16` or `int8`; input and outputs are float32 in each.

    Raises:
        ExportError: an operation of the backbone has no ONNX form, or the file is refused by the checker.
        TrainingError: the bundle is not whole.
    """
    proto = probability_graph(source, source.card.channels)
    if flavour == "float16":
        proto = to_float16(proto)
    if flavour == "int8":
        proto = to_int8(proto, source, source.card.channels)
    add_class_outputs(proto, [tag.name for tag in source.card.tags])
    describe(proto, source.card)
    save_graph(folder / FILE_NAME, proto)


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open it in ONNX Runtime.

    Raises:
        VerificationError: the runtime cannot load it; and, when it is called, cannot run it.
    """
    with open_onnx(folder) as artefact:
        yield artefact


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it."""
    size, order = card.input.size, card.channels
    turn = "" if order == "BGR" else "photo = photo[:, :, ::-1]\n"
    lines = f"""\
import cv2
import numpy as np
import onnxruntime

tags = open("labels.txt", encoding="utf-8").read().split("\\n")
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
photo = cv2.imread("photo.jpg")
photo = cv2.resize(photo, ({size}, {size}), interpolation=cv2.INTER_AREA)
{turn}data = photo.transpose(2, 0, 1)[None].astype(np.float32)
probabilities = session.run(["model_output"], {{"data": data}})[0][0]
best = probabilities.argmax()
print(tags[best], probabilities[best])
"""
    return Usage("onnxruntime opencv-python-headless numpy", lines, _notes(card, flavour))


def _notes(card: ModelCard, flavour: str) -> tuple[str, ...]:
    size, order = card.input.size, card.channels
    kept = {
        "float32": "Weights and maps are float32.",
        "float16": "Weights and most maps are float16; input and outputs are float32.",
        "int8": "Weights and most maps are 8 bits (QDQ), ranges learnt from the training photos; input and "
        "outputs are float32.",
    }
    return (
        f"Input `data`: float32, N x 3 x {size} x {size}, {order}, 0 to 255. The properties "
        "`Image.BitmapPixelFormat` and `Image.NominalPixelRange` say so.",
        f"Output `model_output`: float32, N x {len(card.tags)}, probabilities in the order of `labels.txt`.",
        "Output `classLabel`: N strings, the most probable tags.",
        "Output `loss`: N dictionaries from tag to probability.",
        kept[flavour],
        f"Operator set {OPSET}: ONNX Runtime 1.17 and later.",
    )
