"""LiteRT (TensorFlow Lite): one flat buffer with its metadata and labels inside, at three precisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from dahlia.errors import VerificationError
from dahlia.export.box_answers import BoxAnswers, rule_beside
from dahlia.export.port import LABELS, Opened, OpenedDetector, Source, Usage, read_labels
from dahlia.export.tensorflow.description import describe
from dahlia.export.tensorflow.detector_usage import box_notes, detector_lines
from dahlia.export.tensorflow.flat_buffers import with_signature
from dahlia.export.tensorflow.graph import frozen_graph
from dahlia.export.tensorflow.metadata import put_metadata, read_labels_of, with_labels
from dahlia.export.tensorflow.port import image_notes, photo_lines
from dahlia.export.tensorflow.running import RUNTIME, load_flat_buffer, reader_of
from dahlia.export.tensorflow.writers import Flavour, flat_buffer
from dahlia.files import staged_file
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard

FILE_NAME = "model.tflite"
# What may have fewer bits: of a detector, the backbone. All else in it has a fiftieth of the weights.
_NARROW: dict[Kind, str] = {"multiclass": "", "multilabel": "", "detection": "/taps/"}


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.tflite`; `float32`, `float16` and `int8` take and give float32.

    Raises:
        ExportError: an operation of the network has no LiteRT form, or there are no photos for `int8`.
        TrainingError: the bundle is not whole.
    """
    card = source.card
    graph = frozen_graph(source, card.channels)
    photos = source.photos() if flavour == "int8" else ()
    buffer = with_signature(flat_buffer(graph, cast(Flavour, flavour), photos, _NARROW[card.kind]))
    with staged_file(folder / FILE_NAME) as staged:
        staged.write_bytes(with_labels(put_metadata(buffer, describe(card)), [tag.name for tag in card.tags]))


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open the file; the labels are those that it carries.

    Raises:
        VerificationError: it is damaged, carries other labels than `labels.txt`, or LiteRT cannot load it;
            and, when it is run, cannot run it.
    """
    labels = _labels(folder)
    yield Opened(load_flat_buffer(folder / FILE_NAME).run, labels, f"LiteRT of {RUNTIME}")


@contextmanager
def opened_detector(folder: Path) -> Iterator[OpenedDetector]:
    """The same of a detector.

    Raises:
        VerificationError: see `opened`; or it answers something else than detectors do.
    """
    labels = _labels(folder)
    loaded = load_flat_buffer(folder / FILE_NAME)
    answers = BoxAnswers(FILE_NAME, len(labels), rule_beside(folder))
    read = reader_of(FILE_NAME, loaded.outputs, answers)
    yield OpenedDetector(
        lambda pixels: read(loaded.answers(pixels)), labels, f"LiteRT of {RUNTIME}", loaded.size
    )


def _labels(folder: Path) -> tuple[str, ...]:
    labels = read_labels_of(folder / FILE_NAME)
    if labels != read_labels(folder):
        raise VerificationError(
            f"{folder / LABELS} names {len(read_labels(folder))} tags and {FILE_NAME} carries {len(labels)}, "
            "expected the same in the same order: one of them is of another training. Export again."
        )
    return labels


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it in Python with LiteRT's own package, or with TensorFlow where that is there."""
    return _USAGES[card.kind](card, flavour)


def _classifier_usage(card: ModelCard, flavour: str) -> Usage:
    lines = (*_IMPORTS, *photo_lines(card), *_RUN)
    return Usage(
        packages=_PACKAGES,
        lines="\n".join(lines),
        notes=(*image_notes(card), _PRECISION[flavour], *_METADATA, *_colours(card)),
    )


def _detector_usage(card: ModelCard, flavour: str) -> Usage:
    notes = (*box_notes(card), _PRECISION_OF_DETECTORS[flavour], *_METADATA)
    return Usage(_PACKAGES, detector_lines(card, "litert"), notes)


_USAGES: dict[Kind, Callable[[ModelCard, str], Usage]] = {
    "multiclass": _classifier_usage,
    "multilabel": _classifier_usage,
    "detection": _detector_usage,
}
_PACKAGES = "ai-edge-litert opencv-python-headless"
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
_REST = "what finds boxes in its maps is float32, as are input and output."
_PRECISION_OF_DETECTORS = {
    "float32": _PRECISION["float32"],
    "float16": f"Weights of the backbone are float16; {_REST}",
    "int8": f"Weights and maps of the backbone are of 8 bits; {_REST}",
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
