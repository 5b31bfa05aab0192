"""TensorFlow: the frozen graph that Custom Vision exports, and a SavedModel, opened in TensorFlow.

Both are run as their users run them, to be compared with the trained model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from dahlia.errors import VerificationError
from dahlia.export.box_answers import BoxAnswers, rule_beside
from dahlia.export.port import Opened, OpenedDetector, Source, Usage, detector_of, output_of, read_labels
from dahlia.export.tensorflow.detector_usage import box_notes, detector_lines
from dahlia.export.tensorflow.graph import IMAGE, INPUT, OUTPUT, frozen_graph
from dahlia.export.tensorflow.running import RUNTIME, Loaded, load_frozen, load_saved_model, reader_of
from dahlia.export.tensorflow.writers import save_model, write_frozen_pb
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard

FROZEN = "model.pb"
SAVED = "saved_model.pb"
_FROZEN_LINES = (
    "definition = tf.compat.v1.GraphDef()",
    'definition.ParseFromString(open("model.pb", "rb").read())',
    "with tf.compat.v1.Session(graph=tf.Graph()) as session:",
    '    tf.import_graph_def(definition, name="")',
    f'    answers = session.run("{OUTPUT}:0", {{"{INPUT}:0": photo[None].astype(np.float32)}})',
    "probabilities = answers[0]",
)
_SAVED_LINES = (
    'model = tf.saved_model.load(".")',
    f'answers = model.signatures["serving_default"]({INPUT}=tf.constant(photo[None].astype(np.float32)))',
    f'probabilities = answers["{OUTPUT}"].numpy()[0]',
)
_NOTES = {
    "frozen": (
        f"The input is `{INPUT}:0`; the output is `{OUTPUT}:0`, and under its older name `loss:0`.",
        "`model.pb` is a frozen `GraphDef`; programs that were written for TensorFlow 1 read it.",
    ),
    "saved-model": (
        f"The signature `serving_default` takes `{INPUT}` and gives `{OUTPUT}`.",
        "TensorFlow Serving takes these files from a folder named after a version, such as `1`.",
    ),
}


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.pb` (flavour `frozen`), or `saved_model.pb` and `variables/` (`saved-model`).

    Raises:
        ExportError: an operation of the network has no TensorFlow form.
        TrainingError: the bundle is not whole.
    """
    graph = frozen_graph(source, source.card.channels)
    if flavour == "frozen":
        write_frozen_pb(folder / FROZEN, graph)
    else:
        save_model(folder, graph)


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open the frozen graph or the SavedModel, whichever the folder holds.

    Raises:
        VerificationError: it holds neither, or TensorFlow cannot load it; and, when it is run, cannot run it.
    """
    loaded = _loaded(folder)
    yield Opened(loaded.run, read_labels(folder), RUNTIME)


@contextmanager
def opened_detector(folder: Path) -> Iterator[OpenedDetector]:
    """The same of a detector.

    Raises:
        VerificationError: see `opened`; or it answers something else than detectors do.
    """
    loaded, labels = _loaded(folder), read_labels(folder)
    read = reader_of(loaded.name, loaded.outputs, BoxAnswers(loaded.name, len(labels), rule_beside(folder)))
    yield OpenedDetector(lambda pixels: read(loaded.answers(pixels)), labels, RUNTIME, loaded.size)


def _loaded(folder: Path) -> Loaded:
    if (folder / FROZEN).exists():
        return load_frozen(folder / FROZEN)
    if (folder / SAVED).exists():
        return load_saved_model(folder)
    raise VerificationError(
        f"{folder} was expected to hold {FROZEN} or {SAVED} and holds neither. Export again."
    )


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it in Python with TensorFlow 2."""
    return _USAGES[card.kind](card, flavour)


def _classifier_usage(card: ModelCard, flavour: str) -> Usage:
    run = _FROZEN_LINES if flavour == "frozen" else _SAVED_LINES
    imports = ("import cv2", "import numpy as np", "import tensorflow as tf", "")
    lines = (*imports, *photo_lines(card), *run, "best = probabilities.argmax()")
    return Usage(
        packages="tensorflow opencv-python-headless",
        lines="\n".join((*lines, "print(tags[best], probabilities[best])")),
        notes=(*image_notes(card), *_NOTES[flavour]),
    )


def _detector_usage(card: ModelCard, flavour: str) -> Usage:
    file: Literal["frozen", "saved-model"] = "saved-model" if flavour == "saved-model" else "frozen"
    taken = f"The input is `{INPUT}:0`."
    if detector_of(card).output == "boxes":
        taken = f"The input is `{INPUT}:0`; programs that feed `{IMAGE}:0` may go on."
    signature = f"The signature `serving_default` takes `{INPUT}` and gives the outputs by their names."
    return Usage(
        packages="tensorflow opencv-python-headless",
        lines=detector_lines(card, file),
        notes=(*box_notes(card), signature if file == "saved-model" else taken, _NOTES[flavour][1]),
    )


_USAGES: dict[Kind, Callable[[ModelCard, str], Usage]] = {
    "multiclass": _classifier_usage,
    "multilabel": _classifier_usage,
    "detection": _detector_usage,
}


def photo_lines(card: ModelCard) -> tuple[str, ...]:
    """Python that reads `labels.txt` into `tags` and `photo.jpg` into `photo`, (size, size, 3)."""
    size = card.input.size
    lines = (
        'tags = open("labels.txt", encoding="utf-8").read().split("\\n")',
        'photo = cv2.imread("photo.jpg")',
        f"photo = cv2.resize(photo, ({size}, {size}), interpolation=cv2.INTER_AREA)",
    )
    return lines if card.channels == "BGR" else (*lines, "photo = photo[..., ::-1]")


def image_notes(card: ModelCard) -> tuple[str, ...]:
    """The facts on input and output, one a line."""
    size, order = card.input.size, " ".join(card.channels)
    return (
        f"Input: float32 (N, {size}, {size}, 3), 0 to 255, colours as {order}; scaling is inside.",
        f"Output: float32 (N, {len(card.tags)}), {output_of(card).meaning}, in the order of `labels.txt`.",
    )
