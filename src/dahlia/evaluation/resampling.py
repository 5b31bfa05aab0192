"""The Bayesian bootstrap (Rubin 1981), and the thresholds that are recommended on its draws.

Images get random positive weights instead of being redrawn. No image ever drops out, so a tag with two
positives keeps both in every draw and no figure becomes undefined; stratifying is not needed. Weights are
exponential; figures do not depend on their sum.

A recommended threshold is where F1 is best, but no further from the usual one than the data asks. On few
images the threshold with the highest F1 is largely luck. Among the candidates we take the one nearest to
the usual threshold whose F1 falls short of the best by no more than one standard error of that difference
(the one-standard-error rule of Breiman et al. 1984, paired over bootstrap draws). Of two candidates
equally near, the higher one wins: fewer false alarms.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.figures import Threshold
from dahlia.modeling.predictions import ClassPredictions

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


DRAWS = 200

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]


def recommend(predictions: ClassPredictions, default: float, weights: Weights) -> tuple[Threshold, ...]:
    """A threshold per tag, with the precision and recall that choosing so gives.

    The threshold rests on all images. Its figures do not: each fold is judged at a threshold that was
    chosen on the other folds, so they are not flattered by the choice.

    Args:
        predictions: N held-out images.
        default: the usual threshold, kept for tags without positives or without negatives.
        weights: (B, N) bootstrap weights; the first `DRAWS` rows are used.
    """
    return tuple(
        _recommend(predictions, column, default, weights[:DRAWS]) for column in range(len(predictions.tags))
    )


def choose(truth: Mask, scores: Values, default: float, weights: Weights) -> float:
    """The threshold for one tag.

    Args:
        truth: (N,)
        scores: (N,) probabilities.
        default: the usual threshold.
        weights: (B, N)

    Returns:
        `default`, or a value midway between two scores.
    """
    if truth.all():
        return default
    return choose_among(truth, scores, default, weights, 0.0, np.zeros(len(weights)))


def choose_among(
    right: Mask, scores: Values, default: float, weights: Weights, missed: float, missed_weights: Values
) -> float:
    """The threshold for what was found, where some of what is there may not have been.

    Args:
        right: (M,) whether each found thing is right.
        scores: (M,) probabilities.
        default: the usual threshold.
        weights: (B, M)
        missed: how many were not found at any threshold.
        missed_weights: (B,) the same in the draws.

    Returns:
        `default`, or a value midway between two scores.
    """
    if not right.any():
        return default
    order = np.argsort(-scores, kind="stable")
    falling, positive = scores[order], right[order].astype(np.float64)
    ends = step_ends(falling)
    candidates = _candidates(falling, ends)
    f1 = _f1(positive, ends, np.ones((1, len(scores))), np.array([missed]))[0]
    draws = _f1(positive, ends, weights[:, order], missed_weights)
    best = int(np.argmax(f1))
    allowed = np.std(draws[:, [best]] - draws, axis=0)
    good = np.flatnonzero(f1[best] - f1 <= allowed)
    usual = int(np.searchsorted(-falling, -default, side="right"))
    if usual and int(np.searchsorted(ends, usual - 1)) in good:
        return default
    return float(candidates[good[np.argmin(np.abs(candidates[good] - default))]])


def _candidates(falling: Values, ends: npt.NDArray[np.intp]) -> Values:
    below = np.append(falling[ends[:-1] + 1], 0.0)
    midway: Values = (falling[ends] + below) / 2
    return midway


def _f1(positive: Values, ends: npt.NDArray[np.intp], weights: Weights, missed: Values) -> Values:
    found = np.cumsum(weights * positive, axis=1)
    chosen = np.cumsum(weights, axis=1)
    f1: Values = 2 * found[:, ends] / (found[:, -1:] + missed[:, None] + chosen[:, ends])
    return f1


def _recommend(predictions: ClassPredictions, column: int, default: float, weights: Weights) -> Threshold:
    truth, scores = predictions.truth[:, column], predictions.probabilities[:, column]
    chosen = np.zeros(len(truth), bool)
    for fold in np.unique(predictions.fold):
        held, rest = predictions.fold == fold, predictions.fold != fold
        chosen[held] = scores[held] >= choose(truth[rest], scores[rest], default, weights[:, rest])
    positives, predicted, correct_count = int(truth.sum()), int(chosen.sum()), int((truth & chosen).sum())
    return Threshold(
        tag=predictions.tags[column],
        threshold=choose(truth, scores, default, weights),
        f1=2 * correct_count / (positives + predicted) if positives else None,
        precision=correct_count / predicted if predicted else None,
        recall=correct_count / positives if positives else None,
    )
