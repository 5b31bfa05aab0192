"""The gate: how probable it is that a photo shows any of the project's tags at all.

It is linear in the features, and its probability multiplies that of every tag. So the order of tags stays,
and every format that has a head can have it. It is the discriminant of Fisher (ridge regression to 1 for the
project's photos and -1 for the built-in negative set; Hastie, Tibshirani and Friedman, The Elements of
Statistical Learning, section 4.3). What that says of a photo that was left out has a closed form, and a
logistic regression on those numbers makes probabilities of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.modeling.negative_set import NegativeSet

_RIDGE = 1e-3  # of features of unit length; 3e-4 to 1e-2 moved no figure by more than half a point
_OWN_ODDS = 2.0  # log odds of a project's own photo, before it is looked at; see docs/decisions/0081
_SLOPE = 1e-4  # of the logistic regression: what is separated perfectly asks for no certainty
_STEPS = 100
_SMALL_STEP = 1e-10
Features = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Gate:
    """Log odds that a photo shows one of the tags: `features @ weight + bias`.

    Attributes:
        weight: (D,).
        bias: a number.
    """

    weight: Values
    bias: float

    def probabilities(self, features: npt.NDArray[np.floating]) -> Values:
        """(N, D) features to (N,) probabilities, 0 to 1."""
        logits = features.astype(np.float64) @ self.weight + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))


class GateProblem:
    """Gates to fit for a project: one per fold, and the final one.

    Every tag counts the same, however many photos it has. Photos without a tag, which a multilabel project
    may have, count as negatives, each like one of the built-in set.

    Args:
        views: V arrays (N, D), the plain view first.
        truth: (N, K) bool.
        negatives: of the same backbone and input size.
    """

    def __init__(self, views: Sequence[Features], truth: Mask, negatives: NegativeSet) -> None:
        self._set = negatives
        self._places = np.stack([negatives.along(view) for view in views], 1)
        self._truth = truth

    def fit(self, rows: Mask) -> Gate:
        """The gate of the photos for which a mask (N,) holds; at least one of them has a tag."""
        own = rows & self._truth.any(1)
        places, none = self._places[own], self._places[rows & ~own, 0]
        others = np.concatenate([none, self._set.places])
        weights = _weights(self._truth[own], places.shape[1], len(others))
        found = _discriminant(places, others, weights)
        line = _logistic(found.left_out, found.own, found.shares)
        weight = self._set.axes @ (found.weight * line[0])
        bias = found.bias * line[0] + line[1] + _OWN_ODDS
        return Gate(weight, float(bias - self._set.centre @ weight))

    def held_out(self, folds: npt.NDArray[np.int32], plain: Features) -> Values:
        """(N,) probabilities, each by the gate that did not see the photo's fold."""
        answers = np.zeros(len(folds))
        for part in np.unique(folds):
            rows = folds == part
            answers[rows] = self.fit(~rows).probabilities(plain[rows])
        return answers


@dataclass(frozen=True)
class _Discriminant:
    """A fitted one, and what it says of each photo when it has not seen it (in all of its views).

    `left_out`, `own` and `shares` are (M,): of the plain views of the project's photos, then of negatives.
    """

    weight: Values
    bias: float
    left_out: Values
    own: Mask
    shares: Values


def _weights(truth: Mask, views: int, others: int) -> Values:
    """Of the rows (photo by photo, view by view; then the others); both sides sum to a half."""
    images = (truth / truth.sum(0).clip(1)).sum(1)
    own = np.repeat(images / images.sum() / views, views)
    return np.concatenate([own / 2, np.full(others, 0.5 / others)])


def _discriminant(places: Values, others: Values, weights: Values) -> _Discriminant:
    images, views, size = places.shape
    rows = np.concatenate([places.reshape(-1, size), others])
    count = images * views
    targets = np.where(np.arange(len(rows)) < count, 1.0, -1.0)
    centre, level = weights @ rows, weights @ targets
    centred = rows - centre
    scatter = (centred * weights[:, None]).T @ centred + _RIDGE * np.eye(size)
    spread = np.linalg.solve(scatter, centred.T)  # (R, rows)
    weight = spread @ (weights * (targets - level))
    bias = float(level - centre @ weight)
    residuals = targets - (rows @ weight + bias)
    # Rows left out of a least-squares fit: their residuals times the inverse of 1 - their part of the hat.
    alone = weights[count:] * (np.einsum("ij,ji->i", centred[count:], spread[:, count:]) + 1)
    together = centred[:count].reshape(images, views, size)
    hats = together @ spread[:, :count].reshape(size, images, views).transpose(1, 0, 2) + 1
    hats *= weights[:count].reshape(images, 1, views)
    kept = np.linalg.solve(np.eye(views) - hats, residuals[:count].reshape(images, views, 1))
    left_out = np.concatenate([1 - kept[:, 0, 0], -1 - residuals[count:] / (1 - alone)])
    own = np.arange(len(left_out)) < images
    shares = np.concatenate([weights[:count].reshape(images, views).sum(1), weights[count:]])
    return _Discriminant(weight, bias, left_out, own, shares)


def _logistic(scores: Values, positive: Mask, shares: Values) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on one number, by Newton's method."""
    rows = np.stack([scores, np.ones_like(scores)], 1)
    penalty = np.array([_SLOPE, 0.0])
    line = np.zeros(2)
    value = _line_loss(rows, positive, shares, line)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(rows @ line, -500, 500)))
        slope = rows.T @ (shares * (chance - positive)) + penalty * line
        curvature = (rows.T * (shares * chance * (1 - chance))) @ rows + np.diag(penalty + 1e-12)
        step = -np.linalg.solve(curvature, slope)
        share, after = 1.0, _line_loss(rows, positive, shares, line + step)
        while after > value and share > _SMALL_STEP:
            share /= 2
            after = _line_loss(rows, positive, shares, line + share * step)
        line, gained, value = line + share * step, value - after, after
        if gained < _SMALL_STEP:
            break
    return float(line[0]), float(line[1])


def _line_loss(rows: Values, positive: Mask, shares: Values, line: Values) -> float:
    signs = np.where(positive, 1.0, -1.0)
    return float(shares @ np.logaddexp(0, -signs * (rows @ line)) + 0.5 * _SLOPE * line[0] ** 2)
