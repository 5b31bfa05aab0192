"""What the outputs of a graph mean, by the kind of its model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes, within
from dahlia.errors import ServiceError, TrainingError
from dahlia.kinds import Kind
from dahlia.modeling.card import DetectorCard, ModelCard, TagCard
from dahlia.modeling.detection.grid import ANCHORS, PLACE, read_grid
from dahlia.modeling.detection.outputs import given
from dahlia.modeling.likelihoods import LIKELIHOODS

INPUT = "data"
OUTPUT = "model_output"
"""Of classifiers."""

Answers = Sequence[npt.NDArray[Any]]
_ROUNDING = 1e-3  # of sums in float16
_DIGITS = 6  # of fractions of a photo: a hundredth of a pixel of the largest


class Place(NamedTuple):
    """Where something is, as fractions of the photo, from its top left corner."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Scored:
    """A tag and its calibrated probability, 0 to 1, with the precision of the graph's float32.

    Attributes:
        tag: of the model.
        probability: that the photo has the tag; of a detector, that the tag is at the place.
        place: where it is; None where the model does not say it.
    """

    tag: TagCard
    probability: float
    place: Place | None = None


@dataclass(frozen=True)
class Reader:
    """How the answers of a graph are read.

    Attributes:
        task: what the API calls it, `classify` or `detect`.
        outputs: names of what the graph is asked for.
        trouble: what is wrong with the shapes of the answers, as the end of a sentence; None where nothing
            is.
        read: from the answers for one photo to what they say. Classifiers say all tags, the most probable
            first; detectors all that they find, by tags, and the most probable first of each.
        none: the probability that none of the tags applies, from what `read` gives.
    """

    task: str
    outputs: tuple[str, ...]
    trouble: Callable[[Answers], str | None]
    read: Callable[[Answers], list[Scored]]
    none: Callable[[Sequence[Scored]], float]


def _classifier(card: ModelCard) -> Reader:
    expected = (1, len(card.tags))

    def trouble(answers: Answers) -> str | None:
        shape = answers[0].shape
        return None if shape == expected else f"it gives {shape}, expected {expected}"

    def read(answers: Answers) -> list[Scored]:
        scored = [Scored(tag, _shortest(value)) for tag, value in zip(card.tags, answers[0][0], strict=True)]
        return sorted(scored, key=lambda one: -one.probability)

    def none(scored: Sequence[Scored]) -> float:
        chances = np.array([one.probability for one in scored])
        return float(LIKELIHOODS[card.kind].none(chances))

    return Reader("classify", (OUTPUT,), trouble, read, none)


def _detector(card: ModelCard) -> Reader:
    if card.detector is None:
        raise TrainingError(
            f"The model.json of a model that detects was expected to have `detector`, and that of "
            f"{card.project} has none. Run `dvc repro train` again."
        )
    return _ANSWERS[card.detector.output](card, card.detector)


def _grid(card: ModelCard, detector: DetectorCard) -> Reader:
    cells = card.input.size // max(detector.strides)
    expected = (1, len(ANCHORS) * (PLACE + len(card.tags)), cells, cells)

    def trouble(answers: Answers) -> str | None:
        shape = answers[0].shape
        return None if shape == expected else f"it gives {shape}, expected {expected}"

    def read(answers: Answers) -> list[Scored]:
        places, scores = read_grid(answers[0][0], detector.least)
        found = given(places, scores, overlap=detector.overlap, least=detector.least, most=detector.most)
        return by_tag(card.tags, found, detector.most)

    return Reader("detect", ("model_outputs0",), trouble, read, _none_found)


def _boxes(card: ModelCard, detector: DetectorCard) -> Reader:
    def trouble(answers: Answers) -> str | None:
        corners, tags, scores = answers
        count = scores.shape[-1]
        if (corners.shape, tags.shape, scores.shape) == ((1, count, 4), (1, count), (1, count)):
            return None
        shapes = f"{corners.shape}, {tags.shape} and {scores.shape}"
        return f"it gives {shapes}, expected (1, n, 4), (1, n) and (1, n)"

    def read(answers: Answers) -> list[Scored]:
        (corners,), (tags,), (scores,) = answers
        places = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
        return by_tag(card.tags, Boxes(tags, places, scores), detector.most)

    outputs = ("detected_boxes", "detected_classes", "detected_scores")
    return Reader("detect", outputs, trouble, read, _none_found)


def by_tag(tags: Sequence[TagCard], found: Boxes, most: int) -> list[Scored]:
    """The boxes clipped to the photo, those of a tag together, as Custom Vision orders them.

    Args:
        tags: of the model.
        found: what its graph answers.
        most: of those with the highest scores, at most so many.

    Raises:
        ServiceError: the graph answers what no detector of these tags can.
    """
    if trouble := _impossible(found, len(tags)):
        raise ServiceError(
            "ErrorPredictionModelNotFound",
            f"The model cannot be used: it was expected to answer with boxes of its {len(tags)} tags, and "
            f"answers with {trouble}. Ask for another iteration, or train and publish one again.",
        )
    best = found.where(np.argsort(-found.scores, kind="stable")[:most])
    best = within(best.where(np.lexsort((-best.scores, best.tags))))
    places = best.places.astype(np.float64).round(_DIGITS).tolist()
    return [
        Scored(tags[tag], _shortest(score), Place(*place))
        for tag, score, place in zip(best.tags.tolist(), best.scores.clip(0, 1), places, strict=True)
    ]


def _impossible(found: Boxes, tags: int) -> str | None:
    if not (np.isfinite(found.places).all() and np.isfinite(found.scores).all()):
        return "what is no number"
    if len(found) and not (found.places[:, 2:] >= -_ROUNDING).all():
        return "a width or height below 0"
    if len(found) and not (found.scores.min() >= -_ROUNDING and found.scores.max() <= 1 + _ROUNDING):
        return "a score that is not between 0 and 1"
    if len(found) and not (found.tags.min() >= 0 and found.tags.max() < tags):
        return f"tag number {int(max(found.tags.max(), -found.tags.min()))}"
    return None


def _none_found(scored: Sequence[Scored]) -> float:
    """As sure as it is that the likeliest box is wrong: others are mostly second views of the same object."""
    return 1 - max((one.probability for one in scored), default=0.0)


def _shortest(value: np.float32) -> float:
    """The shortest text of the float32 number, not the float64 that it widens to."""
    return float(str(value))


_ANSWERS = {"grid": _grid, "boxes": _boxes}

READERS: dict[Kind, Callable[[ModelCard], Reader]] = {
    "multiclass": _classifier,
    "multilabel": _classifier,
    "detection": _detector,
}
