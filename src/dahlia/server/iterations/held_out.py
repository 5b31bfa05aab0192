"""The held-out predictions of an iteration, ready to be judged at any threshold, by the kind of its model.

An image of the user's own test set is there too: the final model, which predicted it, never saw it.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes, no_boxes
from dahlia.kinds import Kind
from dahlia.modeling.box_predictions import BoxPredictions, load_box_predictions
from dahlia.modeling.card import TagCard
from dahlia.modeling.predictions import ClassPredictions, load_predictions
from dahlia.server.iterations.box_figures import BoxFigures
from dahlia.server.iterations.figures import Score, fixed_figures_of, score
from dahlia.serving.models.readers import Place, by_tag

_BYTES_OF_AN_INDEX_ENTRY = 110


class FoundTag(NamedTuple):
    """A tag, its probability, and where it is; None where the model does not say it."""

    tag: str
    probability: float
    place: Place | None = None


ImageScores: TypeAlias = Mapping[str, tuple[FoundTag, ...]]
"""What was found in each image, by its id (see `ImageRecord.id`), in the order of predictions."""


class HeldOut(Protocol):
    """Held-out predictions of an iteration."""

    @property
    @abstractmethod
    def images(self) -> ImageScores:
        """What was found in each image; made when asked for, as a page needs 256 of 100,000."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes that they take at most, about."""

    @abstractmethod
    def score(self, threshold: float, overlap: float) -> Score:
        """The figures at a threshold, and of boxes at an overlap; both 0 to 1.

        Raises:
            EvaluationError: they are out of range.
        """


class HeldOutTags(HeldOut):
    """Of a model that classifies; the overlap says nothing.

    Raises:
        EvaluationError: no image was held out.
    """

    def __init__(self, predictions: ClassPredictions) -> None:
        # Nothing here reads the uncalibrated ones, and they would be half of the memory.
        self._predictions = replace(predictions, uncalibrated=predictions.probabilities)
        self._fixed = fixed_figures_of(predictions)
        self._images = TagScores(self._predictions)

    @property
    def images(self) -> ImageScores:
        """See `HeldOut`."""
        return self._images

    @property
    def size(self) -> int:
        """See `HeldOut`."""
        found = self._predictions
        arrays = (found.fold, found.truth, found.probabilities)
        return sum(array.nbytes for array in arrays) + _index_bytes(found.ids)

    def score(self, threshold: float, overlap: float) -> Score:
        """See `HeldOut`."""
        return score(self._predictions, threshold, self._fixed)


class TagScores(ImageScores):
    """All tags, the most probable first; equally probable ones in the order of the predictions' columns."""

    def __init__(self, predictions: ClassPredictions) -> None:
        self._predictions = predictions
        self._rows = {image: row for row, image in enumerate(predictions.ids)}

    def __getitem__(self, image: str) -> tuple[FoundTag, ...]:
        found = self._predictions
        values = found.probabilities[self._rows[image]]
        order = np.argsort(-values, kind="stable")
        return tuple(FoundTag(found.tags[column], float(values[column])) for column in order)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class HeldOutBoxes(HeldOut):
    """Of a detector.

    Raises:
        EvaluationError: no image was held out.
    """

    def __init__(self, predictions: BoxPredictions) -> None:
        self._figures = BoxFigures(predictions.held_out)
        self._images = BoxScores(predictions)

    @property
    def images(self) -> ImageScores:
        """See `HeldOut`."""
        return self._images

    @property
    def size(self) -> int:
        """See `HeldOut`."""
        return self._figures.size + self._images.size

    def score(self, threshold: float, overlap: float) -> Score:
        """See `HeldOut`."""
        return self._figures.score(threshold, overlap)


class BoxScores(ImageScores):
    """Boxes, those of a tag together, and the most probable first of each; in arrays for all images."""

    def __init__(self, predictions: BoxPredictions) -> None:
        found = predictions.found
        self._tags = tuple(TagCard(id="", name=tag) for tag in predictions.tags)
        counts = np.array([0, *map(len, found)], np.int64)
        self._rows = dict(zip(predictions.ids, pairwise(counts.cumsum().tolist()), strict=True))
        parts = (no_boxes(), *found)
        self._boxes = Boxes(
            np.concatenate([one.tags for one in parts]),
            np.concatenate([one.places for one in parts]),
            np.concatenate([one.scores for one in parts]),
        )

    def __getitem__(self, image: str) -> tuple[FoundTag, ...]:
        rows = np.arange(*self._rows[image])
        found = by_tag(self._tags, self._boxes.where(rows), len(rows))
        return tuple(FoundTag(one.tag.name, one.probability, one.place) for one in found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def size(self) -> int:
        """Bytes that they take, about."""
        arrays: tuple[npt.NDArray[np.generic], ...] = (
            self._boxes.tags,
            self._boxes.places,
            self._boxes.scores,
        )
        return sum(array.nbytes for array in arrays) + 2 * _index_bytes(tuple(self._rows))


def _index_bytes(ids: tuple[str, ...]) -> int:
    return sum(sys.getsizeof(image) + _BYTES_OF_AN_INDEX_ENTRY for image in ids)


def _tags(path: Path) -> HeldOut:
    return HeldOutTags(load_predictions(path, new_scenes=False))


def _boxes(path: Path) -> HeldOut:
    return HeldOutBoxes(load_box_predictions(path))


HELD_OUT: dict[Kind, Callable[[Path], HeldOut]] = {
    "multiclass": _tags,
    "multilabel": _tags,
    "detection": _boxes,
}
"""Reads the held-out predictions that a training has left. `DatasetError`: the file is damaged or missing."""
