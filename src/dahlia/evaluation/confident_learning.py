"""Labels that are likely wrong: Northcutt, Jiang and Chuang 2021, on held-out probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FEWEST_PER_STATE = 2


def suspect(labels: npt.NDArray[np.int_], probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """The examples (N,) whose label is likely wrong.

    Args:
        labels: (N,) the number of a class each.
        probabilities: (N, C) rows sum to 1.
    """
    from cleanlab import filter as confident_learning

    # in this process: its worker pool costs more than the work
    mask: npt.NDArray[np.bool_] = confident_learning.find_label_issues(labels, probabilities, n_jobs=1)
    mask &= probabilities.argmax(axis=1) != labels
    return mask


def normalised(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows that sum to 1; even ones where all are 0."""
    total = probabilities.sum(axis=1, keepdims=True)
    even = np.full_like(probabilities, 1 / probabilities.shape[1])
    np.divide(probabilities, total, out=even, where=total > 0)
    return even
