"""Average precision under weights of the photos, and the curve of precision over recall.

Interpolated precision changes only where a box is right. So the boxes between two right ones are added up
first, and a draw of the bootstrap costs a step per right box.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dahlia.evaluation.detection.average_precision import GRID, TINY, Ranking, Values
from dahlia.evaluation.resampling import Weights, step_ends

_VALUES_AT_ONCE = 1_000_000


def average_precisions(ranked: Ranking, weights: Weights) -> Values:
    """Average precision (B,) of a tag that has true boxes, under weights (B, N) of the photos; 0 to 1."""
    found, chosen = _steps(ranked)
    size = max(1, _VALUES_AT_ONCE // max(1, found.shape[0]))
    parts = [
        _interpolated(found, chosen, ranked.boxes, weights[start : start + size])
        for start in range(0, len(weights), size)
    ]
    return np.concatenate(parts)


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
    reached = np.floor(GRID * recall + TINY)  # the last point of the grid that each step reaches
    points = np.diff(reached, axis=0, prepend=-1)
    averages: Values = (points * precision).sum(axis=0) / (GRID + 1)
    return averages
