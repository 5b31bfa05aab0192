"""LiteRT (TensorFlow Lite): one flat buffer with its metadata and labels inside, at three precisions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from dahlia.errors import VerificationError
from dahlia.export.port import LABELS, Batch, Opened, Run, Source, Usage, read_labels, unusable
from dahlia.export.tensorflow._runtime import silence, tf
from dahlia.export.tensorflow.graph import frozen_graph
from dahlia.export.tensorflow.metadata import describe, put_metadata, read_labels_of, with_labels
from dahlia.export.tensorflow.port import RUNTIME, image_notes, photo_lines, refusals, runner
from dahlia.export.tensorflow.writers import Flavour, flat_buffer
from dahlia.files import staged_file
from dahlia.modeling.card import ModelCard

FILE_NAME = "model.tflite"


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.tflite`; `float32`, `float16` and `int8` take and give float32.

    Raises:
        ExportError: an operation of the network has no LiteRT form, or there are no photos for `int8`.
        TrainingError: the bundle is not whole.
    """
    graph = frozen_graph(source, source.card.channels)
    photos = source.photos() if flavour == "int8" else ()
    model = put_metadata(flat_buffer(graph, cast(Flavour, flavour), photos), describe(source.card))
    with staged_file(folder / FILE_NAME) as staged:
        staged.write_bytes(with_labels(model, [tag.name for tag in source.card.tags]))


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open the file; the labels are those that it carries.

    Raises:
        VerificationError: it is damaged, carries other labels than `labels.txt`, or LiteRT cannot load it;
            and, when it is run, cannot run it.
    """
    labels = read_labels_of(folder / FILE_NAME)
    if labels != read_labels(folder):
        raise VerificationError(
            f"{folder / LABELS} names {len(read_labels(folder))} tags and {FILE_NAME} carries {len(labels)}, "
            "expected the same in the same order: one of them is of another training. Export again."
        )
    runtime = f"LiteRT of {RUNTIME}"
    yield Opened(tflite_runner(folder / FILE_NAME), labels, runtime)


def tflite_runner(path: Path) -> Run:
    """Run a flat buffer in LiteRT's interpreter, as it is set up unless one says otherwise.

    Raises:
        VerificationError: it cannot be loaded; and, when it is called, cannot be run.
    """
    try:
        with warnings.catch_warnings(), silence():
            # It is about to move to a package of its own; the pin on tensorflow holds until then.
            warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
            interpreter = tf.lite.Interpreter(model_path=str(path))
            interpreter.allocate_tensors()
        (given,), (answered,) = interpreter.get_input_details(), interpreter.get_output_details()
    except refusals() as error:
        raise unusable(RUNTIME, "load", path.name, error) from error
    names = [tensor["name"] for tensor in interpreter.get_tensor_details()]

    def answer(pixels: Batch) -> Any:
        if tuple(interpreter.get_input_details()[0]["shape"]) != pixels.shape:
            interpreter.resize_tensor_input(given["index"], pixels.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        return interpreter.get_tensor(answered["index"])

    return runner(path, names, answer)


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it in Python with LiteRT's own package, or with TensorFlow where that is there."""
    lines = (*_IMPORTS, *photo_lines(card), *_RUN)
    return Usage(
        packages="ai-edge-litert opencv-python-headless",
        lines="\n".join(lines),
        notes=(*image_notes(card), _PRECISION[flavour], *_METADATA, *_colours(card)),
    )


_IMPORTS = (
    "import cv2",
    "import numpy as np",
    "try:",
    "    from ai_edge_litert.interpreter import Interpreter",
    "except ImportError:",
    "    from tensorflow.lite.python.interpreter import Interpreter",
    "",
)
_RUN = (
    f'model = Interpreter("{FILE_NAME}")',
    "model.allocate_tensors()",
    'model.set_tensor(model.get_input_details()[0]["index"], photo[None].astype(np.float32))',
    "model.invoke()",
    'probabilities = model.get_tensor(model.get_output_details()[0]["index"])[0]',
    "best = probabilities.argmax()",
    "print(tags[best], probabilities[best])",
)
_PRECISION = {
    "float32": "Weights and maps are float32.",
    "float16": "Weights are float16; it computes in float32, or in float16 on GPUs.",
    "int8": "Weights and maps are of 8 bits; what goes in and comes out is float32.",
}
_METADATA = (
    f"The tags are inside too, where the readers of LiteRT's metadata look: `unzip -p {FILE_NAME} {LABELS}`.",
)


def _colours(card: ModelCard) -> tuple[str, ...]:
    if card.channels == "RGB":
        return ()
    return (
        "ML Kit and the Task Library give red first; for them, train `domain=general_compact_s1`, or swap "
        "the colours before.",
    )
