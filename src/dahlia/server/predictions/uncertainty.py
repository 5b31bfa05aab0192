"""How unsure a prediction is, by which stored ones and suggestions are put in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dahlia.kinds import Kind
from dahlia.server.database.work_tables import IterationRow

_ROUNDING = 1e-6  # of float32 probabilities that sum to 1
Values = npt.NDArray[np.float64]


def uncertainty_of(iteration: IterationRow, predictions: Sequence[dict[str, Any]]) -> float:
    """How unsure an iteration is, 0 to 1; see `uncertainties`."""
    return uncertainty([one["probability"] for one in predictions], iteration.kind)


def uncertainties(probabilities: npt.ArrayLike, kind: Kind) -> Values:
    """The uncertainty (N,) of predictions (N, K): 0 for no doubt, 1 for as much as there can be.

    Multilabel: the mean over the tags of the binary entropy in bits, as recorded answers of the original are
    (0.9999989 and 1.37e-12, as 32-bit numbers, give 1.141163e-05; the eighth digit is the original's
    rounding).

    Multiclass: the entropy of the distribution, divided by that of K equal shares, log2(K): so projects with
    many and with few tags use the same scale. What is missing to 1, the probability that no tag applies, is a
    share too: a photo of something else is no doubtful one. The original's formula is not known.

    Detection: one minus the product over the boxes of max(p, 1 - p): how probable it is that a threshold of
    50 % decides at least one of them wrongly, if they are independent (least confidence; Settles, Active
    Learning Literature Survey, 2009, section 3.1). Without a box 0, of one box 0.5 at most, and below 1
    always. The original's formula is not known; decision 0094 has the others that were tried.

    Args:
        probabilities: 0 to 1.
        kind: `multiclass` (rows sum to 1 at most), `multilabel` or `detection` (of K boxes).
    """
    unsure: Values = np.clip(_UNCERTAINTIES[kind](np.asarray(probabilities, np.float64)), 0.0, 1.0)
    return unsure


def uncertainty(probabilities: npt.ArrayLike, kind: Kind) -> float:
    """The uncertainty of one prediction (K,); see `uncertainties`."""
    return float(uncertainties(np.atleast_2d(np.asarray(probabilities)), kind)[0])


def _of_distribution(values: Values) -> Values:
    rest = np.clip(1 - values.sum(axis=1), 0, 1)
    rest[rest < _ROUNDING] = 0
    unsure: Values = (_bits(values).sum(axis=1) + _bits(rest)) / np.log2(max(values.shape[1], 2))
    return unsure


def _of_each(values: Values) -> Values:
    unsure: Values = (_bits(values) + _bits(1 - values)).mean(axis=1)
    return unsure


def _of_boxes(values: Values) -> Values:
    unsure: Values = 1 - np.maximum(values, 1 - values).prod(axis=1)
    return unsure


def _bits(shares: Values) -> Values:
    logarithms = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    bits: Values = -shares * logarithms
    return bits


_UNCERTAINTIES: dict[Kind, Callable[[Values], Values]] = {
    "multiclass": _of_distribution,
    "multilabel": _of_each,
    "detection": _of_boxes,
}
