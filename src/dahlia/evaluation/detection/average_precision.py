"""Average precision of boxes as COCO defines it, also under weights of the photos.

Precision is interpolated: at each recall the best one that is reached there or at a higher recall. Average
precision is its mean at the 101 recalls 0, 0.01, ... 1; beyond the highest recall it is 0 (Lin et al. 2014).
Boxes of equal score are one step, so the order of photos has no say; the original goes through them one by
one.

Interpolated precision changes only where a box is right. So the boxes between two right ones are added up
first, and a draw of the bootstrap costs a step per right box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.detection.matching import NONE, BoxTable, matched
from dahlia.evaluation.resampling import Weights, step_ends

GRID = 100
_TINY = 1e-9
_VALUES_AT_ONCE = 1_000_000

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ranking:
    """The found boxes of one tag, those of the highest score first.

    Attributes:
        photo: (D,) rows of their photos.
        score: (D,) falling.
        right: (D,) whether each is right.
        boxes: (N,) true boxes of the tag in each photo.
    """

    photo: npt.NDArray[np.intp]
    score: Values
    right: Mask
    boxes: Values


def ranking(table: BoxTable, partners: npt.NDArray[np.intp], column: int) -> Ranking:
    """That of a tag.

    Args:
        table: the boxes.
        partners: see `dahlia.evaluation.detection.matching.matched`.
        column: of the tag.
    """
    rows = table.of_tag(column)
    true = table.true_photo[table.true_tag == column]
    return Ranking(
        photo=table.photo[rows],
        score=table.score[rows],
        right=partners[rows] != NONE,
        boxes=np.bincount(true, minlength=table.photos).astype(np.float64),
    )


def average_precisions(ranked: Ranking, weights: Weights) -> Values:
    """Average precision (B,) of a tag that has true boxes, under weights (B, N) of the photos; 0 to 1."""
    found, chosen = _steps(ranked)
    size = max(1, _VALUES_AT_ONCE // max(1, found.shape[0]))
    parts = [
        _interpolated(found, chosen, ranked.boxes, weights[start : start + size])
        for start in range(0, len(weights), size)
    ]
    return np.concatenate(parts)


def average_precision(ranked: Ranking) -> float | None:
    """That of the photos as they are; None for a tag without true boxes."""
    return plain_average_precision(ranked.right, ranked.score, int(ranked.boxes.sum()))


def plain_average_precision(right: Mask, score: Values, boxes: int) -> float | None:
    """That of one tag where each photo counts once.

    Args:
        right: (D,) whether each found box is right.
        score: (D,) falling.
        boxes: true boxes of the tag.

    Returns:
        0 to 1; None where there are no true boxes.
    """
    if boxes == 0:
        return None
    if not len(score):
        return 0.0
    ends = step_ends(score)
    found = np.cumsum(right)[ends]
    best = np.maximum.accumulate((found / (ends + 1))[::-1])[::-1]
    points = np.diff(np.floor(GRID * (found / boxes) + _TINY), prepend=-1)
    return float((points * best).sum() / (GRID + 1))


def mean_average_precision(table: BoxTable, overlap: float) -> float | None:
    """Mean over the tags that have true boxes, at an overlap; None where none has."""
    partners = matched(table, overlap)
    tags = [average_precision(ranking(table, partners, column)) for column in range(len(table.tags))]
    defined = [each for each in tags if each is not None]
    return float(np.mean(defined)) if defined else None


def curve(ranked: Ranking) -> tuple[Values, Values]:
    """Recall, rising, and interpolated precision, (S,) each; empty for a tag without true boxes."""
    if not ranked.boxes.any():
        return np.zeros(0), np.zeros(0)
    found, chosen = _steps(ranked)
    one = np.ones((1, len(ranked.boxes)))
    recall, precision = _envelope(found, chosen, ranked.boxes, one)
    return recall[:, 0], precision[:, 0]


def _steps(ranked: Ranking) -> tuple[Any, Any]:
    """Sparse counts (S, N) of right and of all boxes between one step and the next, by photo."""
    from scipy.sparse import csr_array

    if not ranked.right.any():
        return csr_array((0, len(ranked.boxes))), csr_array((0, len(ranked.boxes)))
    ends = step_ends(ranked.score)
    rights = np.diff(np.cumsum(ranked.right)[ends], prepend=0)
    ends = ends[rights > 0]
    last = ends[-1] + 1
    step = np.searchsorted(ends, np.arange(last))
    right, photo = ranked.right[:last], ranked.photo[:last]
    shape = (len(ends), len(ranked.boxes))
    return (
        csr_array((np.ones(int(right.sum())), (step[right], photo[right])), shape),
        csr_array((np.ones(last), (step, photo)), shape),
    )


def _envelope(found: Any, chosen: Any, boxes: Values, weights: Weights) -> tuple[Values, Values]:
    """Recall and interpolated precision (S, B)."""
    found_weights = np.cumsum(found @ weights.T, axis=0)
    precision = found_weights / np.cumsum(chosen @ weights.T, axis=0)
    best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    return found_weights / (weights @ boxes), best


def _interpolated(found: Any, chosen: Any, boxes: Values, weights: Weights) -> Values:
    recall, precision = _envelope(found, chosen, boxes, weights)
    reached = np.floor(GRID * recall + _TINY)  # the last point of the grid that each step reaches
    points = np.diff(reached, axis=0, prepend=-1)
    averages: Values = (points * precision).sum(axis=0) / (GRID + 1)
    return averages
