"""A detector's Core ML file, opened in Core ML on macOS and in the interpreter elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from dahlia.boxes import Boxes
from dahlia.errors import VerificationError
from dahlia.export.box_answers import BoxAnswers, refused, rule_beside
from dahlia.export.coreml.device import OnDevice, has_core_ml
from dahlia.export.coreml.interpreter.model import RUNTIME, InterpretedDetector
from dahlia.export.coreml.package import model_in
from dahlia.export.port import Batch, OpenedDetector, read_labels

GRID = "model_outputs0"
COORDINATES, CONFIDENCE = "coordinates", "confidence"
TAGS = "dahlia.tags"
_Answers = Mapping[str, np.ndarray]


@contextmanager
def opened_detector(folder: Path) -> Iterator[OpenedDetector]:
    """Open what lies in `folder`, and read its answers as a program does that has only these files.

    Colours and outputs are read from the model, how boxes of a grid are suppressed from
    `metadata_properties.json`.

    Raises:
        VerificationError: there is no model, it is damaged, answers something else than detectors do, or
            names other tags than `labels.txt`; and, when it is run, cannot be run, or answers what is no box.
    """
    path = model_in(folder)
    # What the file says of its tags and its photo is read from the file; Core ML only answers.
    declared = InterpretedDetector(path)
    labels = read_labels(folder)
    for named in (declared.labels, tuple(declared.properties.get(TAGS, "").split("\n"))):
        if any(named) and named != labels:
            raise VerificationError(
                f"{path.name} names the tags {', '.join(named)} and labels.txt others. Export again."
            )
    read = _READS.get(frozenset(declared.answers))
    if read is None:
        raise refused(
            path.name, f"to answer {GRID}, or {COORDINATES} and {CONFIDENCE}", ", ".join(declared.answers)
        )
    reader = BoxAnswers(path.name, len(labels), rule_beside(folder))
    if has_core_ml():
        device = OnDevice(path, declared.image.name)
        find = _finder(reader, read, device.answers)
        yield OpenedDetector(find, labels, device.runtime, declared.image.width)
        return
    # Its products are small: several threads wait for each other, on a busy machine most of the time.
    with threadpool_limits(1, user_api="blas"):
        yield OpenedDetector(_finder(reader, read, declared.run), labels, RUNTIME, declared.image.width)


def _finder(
    reader: BoxAnswers,
    read: Callable[[BoxAnswers, _Answers], Boxes],
    answers: Callable[[Batch], _Answers],
) -> Callable[[Batch], Boxes]:
    def find(pixels: Batch) -> Boxes:
        (photo,) = pixels
        return read(reader, {name: np.asarray(value) for name, value in answers(photo).items()})

    return find


def _of_grid(reader: BoxAnswers, answers: _Answers) -> Boxes:
    grid = answers[GRID]
    if grid.ndim != 5:
        raise refused(reader.name, "to answer a grid (1, 1, channels, height, width)", str(grid.shape))
    return reader.of_grid(grid[0])


def _of_boxes(reader: BoxAnswers, answers: _Answers) -> Boxes:
    """By the convention of Core ML's suppression and of Vision: centres, and a column for each tag."""
    coordinates, confidence = answers[COORDINATES], answers[CONFIDENCE]
    shapes = f"{coordinates.shape} and {confidence.shape}"
    expected = f"to answer boxes and scores as (n, 4) and (n, {reader.tags})"
    if coordinates.shape != (len(confidence), 4) or confidence.shape != (len(coordinates), reader.tags):
        raise refused(reader.name, expected, shapes)
    scores = confidence.max(1)
    order = np.argsort(-scores, kind="stable")
    half = coordinates[:, 2:] / 2
    corners = np.concatenate([coordinates[:, :2] - half, coordinates[:, :2] + half], 1)
    return reader.of_boxes(corners[order], confidence.argmax(1)[order], scores[order])


_READS: dict[frozenset[str], Callable[[BoxAnswers, _Answers], Boxes]] = {
    frozenset([GRID]): _of_grid,
    frozenset([COORDINATES, CONFIDENCE]): _of_boxes,
}
