"""What the outputs of a graph mean: probabilities of tags, a grid, or boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dahlia.boxes import Boxes
from dahlia.errors import ServiceError
from dahlia.modeling.detection.grid import ANCHORS, PLACE, read_grid
from dahlia.modeling.detection.outputs import given

_ROUNDING = 1e-3  # of sums in float16


@dataclass(frozen=True)
class Tag:
    """A tag; `type` is `Regular` or `Negative`."""

    id: str
    name: str
    type: str


class Place(NamedTuple):
    """Where something is, as fractions of the photo, from its top left corner; it may reach beyond it."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Scored:
    """A tag and its probability, 0 to 1.

    Attributes:
        tag: of the model.
        number: its place in `labels.txt`, from 0.
        probability: that the photo has the tag; of a detector, that the tag is at the place.
        place: where it is; None where the model does not say it.
    """

    tag: Tag
    number: int
    probability: float
    place: Place | None = None


@dataclass(frozen=True)
class Reader:
    """How the answers of a graph are read.

    Attributes:
        task: what the API calls it, `classify` or `detect`.
        outputs: names of what the graph is asked for.
        read: from the answers for one photo, the tags, and the properties of the graph to all tags in their
            order, or to what is found, the most probable first.
    """

    task: str
    outputs: tuple[str, ...]
    read: Callable[[Sequence[Any], Sequence[Tag], Mapping[str, str]], list[Scored]]


def reader_of(outputs: Sequence[str]) -> Reader:
    """The reader of a graph with outputs of these names.

    Raises:
        ServiceError: there is none.
    """
    for reader in _READERS:
        if set(reader.outputs) <= set(outputs):
            return reader
    raise unusable(f"answers {', '.join(outputs)}, which is of no model that this server knows")


def unusable(reason: str) -> ServiceError:
    """The error of files beside app.py that cannot be served."""
    return ServiceError(
        "ErrorPredictionModelNotFound", f"The model beside app.py {reason}. Unpack the export again."
    )


def _read_probabilities(
    answers: Sequence[Any], tags: Sequence[Tag], properties: Mapping[str, str]
) -> list[Scored]:
    (rows,) = answers
    if rows.shape != (1, len(tags)) or not np.isfinite(rows).all():
        raise unusable(f"answers {rows.tolist()}; model.json names {len(tags)} tags")
    return [Scored(tag, number, _shortest(rows[0, number])) for number, tag in enumerate(tags)]


def _read_grid(answers: Sequence[Any], tags: Sequence[Tag], properties: Mapping[str, str]) -> list[Scored]:
    (grid,) = answers
    if grid.ndim != 4 or grid.shape[:2] != (1, len(ANCHORS) * (PLACE + len(tags))):
        raise unusable(f"answers a grid {grid.shape}; model.json names {len(tags)} tags")
    rule = {name: float(properties[f"dahlia.{name}"]) for name in ("overlap", "least", "most")}
    places, scores = read_grid(grid[0], rule["least"])
    found = given(places, scores, overlap=rule["overlap"], least=rule["least"], most=int(rule["most"]))
    return _scored(found, tags)


def _read_boxes(answers: Sequence[Any], tags: Sequence[Tag], properties: Mapping[str, str]) -> list[Scored]:
    corners, numbers, scores = answers
    count = scores.shape[-1]
    if (corners.shape, numbers.shape, scores.shape) != ((1, count, 4), (1, count), (1, count)):
        raise unusable(f"answers boxes {corners.shape}, {numbers.shape} and {scores.shape}")
    places = np.concatenate([corners[0, :, :2], corners[0, :, 2:] - corners[0, :, :2]], 1)
    return _scored(Boxes(numbers[0], places, scores[0]), tags)


def _scored(found: Boxes, tags: Sequence[Tag]) -> list[Scored]:
    whole = np.isfinite(found.places).all() and np.isfinite(found.scores).all()
    if not (whole and ((found.tags >= 0) & (found.tags < len(tags))).all()):
        raise unusable(f"answers what is no number, or other tags than the {len(tags)} of model.json")
    if not ((found.scores >= -_ROUNDING) & (found.scores <= 1 + _ROUNDING)).all():
        raise unusable("answers a score that is not between 0 and 1")
    return [
        Scored(tags[number], number, _shortest(score), Place(*place))
        for number, score, place in zip(
            found.tags.tolist(), found.scores.clip(0, 1), found.places.tolist(), strict=True
        )
    ]


def _shortest(value: Any) -> float:
    """The shortest text of the float32 number, not the float64 that it widens to."""
    return float(str(value))


_READERS = (
    Reader("classify", ("model_output",), _read_probabilities),
    Reader("detect", ("model_outputs0",), _read_grid),
    Reader("detect", ("detected_boxes", "detected_classes", "detected_scores"), _read_boxes),
)
