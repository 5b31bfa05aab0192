"""The Bayesian bootstrap (Rubin 1981): images get random positive weights instead of being redrawn.

No image ever drops out, so a tag with two positives keeps both in every draw and no figure becomes
undefined; stratifying is not needed. Weights are exponential; figures do not depend on their sum.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float64]
_VALUES_AT_ONCE = 2_000_000


def draw_weights(samples: int, images: int, seed: int) -> Weights:
    """Weights (B, N) with mean 1, the same for the same seed."""
    return np.random.default_rng(seed).exponential(size=(samples, images))


def average_precisions(
    truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64], weights: Weights
) -> npt.NDArray[np.float64]:
    """Average precision in each draw, as scikit-learn's `average_precision_score` defines it.

    Args:
        truth: (N,) with at least one positive.
        scores: (N,) any scale; equal scores are one step.
        weights: (B, N) positive.

    Returns:
        (B,) 0 to 1.
    """
    order = np.argsort(-scores, kind="stable")
    ends = step_ends(scores[order])
    positive = truth[order].astype(np.float64)
    size = max(1, _VALUES_AT_ONCE // len(scores))
    parts = [
        _average_precisions(positive, ends, weights[start : start + size][:, order])
        for start in range(0, len(weights), size)
    ]
    return np.concatenate(parts)


def step_ends(falling: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """The last index of each run of equal scores in scores that fall."""
    return np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)


def _average_precisions(
    positive: npt.NDArray[np.float64], ends: npt.NDArray[np.intp], weights: Weights
) -> npt.NDArray[np.float64]:
    found = np.cumsum(weights * positive, axis=1)[:, ends]
    precision = found / np.cumsum(weights, axis=1)[:, ends]
    steps = np.diff(found, axis=1, prepend=0)
    averages: npt.NDArray[np.float64] = (steps * precision).sum(axis=1) / found[:, -1]
    return averages
