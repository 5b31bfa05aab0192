"""Figures of detectors at any threshold and any overlap, as `dahlia.evaluation.detection` counts them.

- A found box counts when its score reaches the threshold. It is right when it overlaps a drawn one of its tag
  by at least the overlap (intersection over union); each drawn box is found once: see
  `dahlia.evaluation.detection.matching`.
- Precision is correct / found, recall is correct / drawn; overall, the boxes of all tags are pooled.
- Average precision is COCO's at the one overlap, over all scores; overall, it is the mean over the tags of
  which a box is drawn.
- Deviations, and what is not defined: see `dahlia.server.iterations.figures`.

What is right at an overlap is right at every threshold, so it is found once and kept for those who move a
threshold.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dahlia.dataset.fold_numbers import merged
from dahlia.errors import EvaluationError
from dahlia.evaluation.detection.average_precision import plain_average_precision
from dahlia.evaluation.detection.matching import NONE, BoxTable, matched, tabulated
from dahlia.modeling.box_predictions import BoxPredictions
from dahlia.server.iterations.figures import Score, Values, check_share, score_of

KEPT_OVERLAPS = 16


@dataclass(frozen=True)
class _AtOverlap:
    """Which found boxes (D,) are right, and the average precision (K,); 0.0 for a tag without drawn boxes."""

    right: npt.NDArray[np.bool_]
    average_precision: Values


class BoxFigures:
    """The figures of N images; safe to use from several threads.

    Args:
        predictions: held-out ones.

    Raises:
        EvaluationError: there is none.
    """

    def __init__(self, predictions: BoxPredictions) -> None:
        if not predictions.ids:
            raise EvaluationError(
                "This iteration has no held-out predictions, expected at least one. Train the project again."
            )
        self._tags = predictions.tags
        folds, fold = np.unique(merged(predictions.fold), return_inverse=True)
        self._folds = len(folds)
        table = tabulated(predictions)
        self._cell = self._cells(fold, table.photo, table.tag)  # (D,) of the table of folds and tags
        self._drawn = self._counted(self._cells(fold, table.true_photo, table.true_tag))
        self._score = table.score.astype(np.float32)
        self._table = _slim(table)
        self._by_tag = np.argsort(table.tag, kind="stable")
        self._ends = np.cumsum(np.bincount(table.tag, minlength=len(self._tags)))
        self._kept: OrderedDict[float, _AtOverlap] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes, about, with as many overlaps as are kept at most."""
        arrays = [value for value in vars(self._table).values() if isinstance(value, np.ndarray)]
        own = (self._cell, self._score, self._by_tag)
        return sum(array.nbytes for array in (*arrays, *own)) + KEPT_OVERLAPS * len(self._score)

    def score(self, threshold: float, overlap: float) -> Score:
        """The figures.

        Args:
            threshold: 0 to 1.
            overlap: 0 to 1.

        Raises:
            EvaluationError: one of them is out of range.
        """
        check_share("threshold", threshold)
        check_share("overlap", overlap)
        at = self._at(overlap)
        # Scores fall. As 32-bit numbers, like those that clients see: 0.7 reaches 0.7.
        count = int(np.searchsorted(-self._score, -np.float32(threshold), side="right"))
        predicted = self._counted(self._cell[:count])
        correct = self._counted(self._cell[:count][at.right[:count]])
        drawn = self._drawn.any(axis=0)
        mean = float(at.average_precision[drawn].mean()) if drawn.any() else 0.0
        return score_of(self._tags, predicted, correct, self._drawn, at.average_precision, mean)

    def _at(self, overlap: float) -> _AtOverlap:
        with self._lock:
            if overlap in self._kept:
                self._kept.move_to_end(overlap)
                return self._kept[overlap]
        found = self._matched(overlap)
        with self._lock:
            self._kept[overlap] = found
            while len(self._kept) > KEPT_OVERLAPS:
                self._kept.popitem(last=False)
        return found

    def _matched(self, overlap: float) -> _AtOverlap:
        right = matched(self._table, overlap) != NONE
        drawn, score = self._drawn.sum(axis=0), self._score.astype(np.float64)
        aps = np.zeros(len(self._tags))
        for column, end in enumerate(self._ends.tolist()):
            rows = self._by_tag[self._ends[column - 1] if column else 0 : end]
            aps[column] = plain_average_precision(right[rows], score[rows], int(drawn[column])) or 0.0
        return _AtOverlap(right, aps)

    def _cells(
        self, fold: npt.NDArray[np.intp], photo: npt.NDArray[np.intp], tag: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.int32]:
        return (fold[photo] * len(self._tags) + tag).astype(np.int32)

    def _counted(self, cells: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """(F, K) how many boxes are in each fold and of each tag."""
        shape = (self._folds, len(self._tags))
        return np.bincount(cells, minlength=shape[0] * shape[1]).astype(np.int64).reshape(shape)


def _slim(table: BoxTable) -> BoxTable:
    """What `matched` reads: places are not looked at again, nor pairs of different tags."""
    same = table.same_tag
    nowhere, nothing = np.zeros((0, 4), np.float32), np.zeros(0)
    return replace(
        table,
        true_photo=nothing.astype(np.intp),
        true_place=nowhere,
        photo=nothing.astype(np.intp),
        place=nowhere,
        uncalibrated=nothing,
        pair_found=table.pair_found[same],
        pair_true=table.pair_true[same],
        pair_overlap=table.pair_overlap[same],
    )
