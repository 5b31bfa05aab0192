"""The thresholds that are recommended for boxes, by the rule of `dahlia.evaluation.resampling`.

What is right at one threshold is right at all, so boxes are matched once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.detection.figures import BoxThreshold
from dahlia.evaluation.detection.matching import BoxTable
from dahlia.evaluation.resampling import DRAWS, Weights, choose_among

LEAST = 0.05  # nobody wants a box that is wrong nineteen times of twenty
_VALUES, _FEWEST_DRAWS = 1_500_000, 20  # draws of many boxes vary less, and would take gigabytes

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def recommend_all(
    table: BoxTable, right: Mask, folds: npt.NDArray[np.int32], default: float, weights: Weights
) -> tuple[tuple[BoxThreshold, ...], BoxThreshold]:
    """A threshold per tag, and one for all tags at once.

    Each rests on all photos. Its figures do not: each fold is judged at a threshold that was chosen on the
    other folds.

    Args:
        table: the boxes of N held-out photos.
        right: (D,) the found boxes that are right.
        folds: (N,) of the photos.
        default: the usual threshold, kept where nothing can be chosen.
        weights: (B, N) bootstrap weights; at most the first `DRAWS` rows are used.
    """
    shown = table.score >= LEAST
    draws = weights[: max(_FEWEST_DRAWS, min(DRAWS, _VALUES // max(1, int(shown.sum()))))]
    tags = tuple(
        _recommend(table, right, shown & table.of_tag(column), column, folds, default, draws)
        for column in range(len(table.tags))
    )
    return tags, _recommend(table, right, shown, None, folds, default, draws)


def _recommend(
    table: BoxTable,
    right: Mask,
    rows: Mask,
    column: int | None,
    folds: npt.NDArray[np.int32],
    default: float,
    draws: Weights,
) -> BoxThreshold:
    true = table.true_photo if column is None else table.true_photo[table.true_tag == column]
    boxes = np.bincount(true, minlength=table.photos).astype(np.float64)
    photo, scores, correct = table.photo[rows], table.score[rows], right[rows]

    def choose(photos: Mask) -> float:
        seen = photos[photo]
        found = np.bincount(photo[seen & correct], minlength=table.photos)
        missed = boxes * photos - found
        return choose_among(
            correct[seen], scores[seen], default, draws[:, photo[seen]], float(missed.sum()), draws @ missed
        )

    chosen = np.zeros(len(scores), bool)
    for fold in np.unique(folds):
        held = folds[photo] == fold
        chosen[held] = scores[held] >= choose(folds != fold)
    positives, predicted, hits = int(boxes.sum()), int(chosen.sum()), int((chosen & correct).sum())
    return BoxThreshold(
        tag=None if column is None else table.tags[column],
        threshold=choose(np.ones(table.photos, bool)),
        f1=2 * hits / (positives + predicted) if positives else None,
        precision=hits / predicted if predicted else None,
        recall=hits / positives if positives else None,
    )
