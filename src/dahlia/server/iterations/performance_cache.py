"""The performance of the iterations that were asked for lately, in memory, with each image's predictions."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from dahlia.modeling.predictions import ClassPredictions
from dahlia.server.iterations.threshold_scores import FixedFigures, Score, fixed_figures_of, score

MOST_BYTES = 256 << 20

_BYTES_OF_AN_INDEX_ENTRY = 110


@dataclass(frozen=True)
class _Kept:
    predictions: ClassPredictions
    fixed: FixedFigures
    images: ImageScores
    size: int


class PerformanceCache:
    """PerformanceCache of iterations; safe to use from several threads.

    Loading takes turns, so that no more than one set of predictions is in the making; who asks for what is
    kept never waits for it.

    Args:
        loader: the predictions of an iteration by its id; what it raises, the caller gets.
        most_bytes: that may be kept. The one that was asked for last stays even when it is larger: a moving
            threshold asks for it again and again.
    """

    def __init__(self, loader: Callable[[str], ClassPredictions], most_bytes: int = MOST_BYTES) -> None:
        self._loader = loader
        self._most = most_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._forgotten = 0
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def score(self, iteration: str, threshold: float) -> Score:
        """The figures of an iteration at a threshold; see `threshold_scores.score`."""
        kept = self._get(iteration)
        return score(kept.predictions, threshold, kept.fixed)

    def images(self, iteration: str) -> ImageScores:
        """What an iteration's held-out predictions say of each image."""
        return self._get(iteration).images

    def forget(self, iteration: str) -> None:
        """Drop an iteration that was deleted."""
        with self._lock:
            self._forgotten += 1
            self._kept.pop(iteration, None)

    @property
    def size(self) -> int:
        """Bytes that are kept, about."""
        with self._lock:
            return sum(kept.size for kept in self._kept.values())

    def _get(self, iteration: str) -> _Kept:
        if kept := self._find(iteration):
            return kept
        with self._loading:
            if kept := self._find(iteration):
                return kept
            before = self._forgotten
            kept = _prepared(self._loader(iteration))
            self._keep(iteration, kept, before)
            return kept

    def _find(self, iteration: str) -> _Kept | None:
        with self._lock:
            if iteration in self._kept:
                self._kept.move_to_end(iteration)
            return self._kept.get(iteration)

    def _keep(self, iteration: str, kept: _Kept, before: int) -> None:
        with self._lock:
            if self._forgotten != before:
                return  # perhaps this one was deleted meanwhile
            self._kept[iteration] = kept
            while len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > self._most:
                self._kept.popitem(last=False)


@dataclass(frozen=True)
class ImageScore:
    """An image's tags and predictions.

    Attributes:
        image: its id (see `ImageRecord.id`).
        tags: that it has, in the order of the predictions' columns.
        probabilities: tag and probability, the most probable first; equal ones in the columns' order.
    """

    image: str
    tags: tuple[str, ...]
    probabilities: tuple[tuple[str, float], ...]


class ImageScores(Mapping[str, ImageScore]):
    """By image id, made when asked for: a page needs 256 of 100,000.

    An image of the user's own test set is there too: the final model, which predicted it, never saw it.
    """

    def __init__(self, predictions: ClassPredictions) -> None:
        self._predictions = predictions
        self._rows = {image: row for row, image in enumerate(predictions.ids)}

    def __getitem__(self, image: str) -> ImageScore:
        row = self._rows[image]
        found = self._predictions
        values = found.probabilities[row]
        return ImageScore(
            image,
            tuple(found.tags[column] for column in np.flatnonzero(found.truth[row])),
            tuple(
                (found.tags[column], float(values[column])) for column in np.argsort(-values, kind="stable")
            ),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _prepared(predictions: ClassPredictions) -> _Kept:
    # Nothing here reads the uncalibrated ones, and they would be half of the memory.
    predictions = replace(predictions, uncalibrated=predictions.probabilities)
    arrays = (predictions.fold, predictions.truth, predictions.probabilities)
    index = sum(sys.getsizeof(image) + _BYTES_OF_AN_INDEX_ENTRY for image in predictions.ids)
    return _Kept(
        predictions,
        fixed_figures_of(predictions),
        ImageScores(predictions),
        sum(array.nbytes for array in arrays) + index,
    )
