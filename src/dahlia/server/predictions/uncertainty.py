"""How unsure a prediction is: 0 for no doubt, 1 for as much as there can be.

Multilabel: the mean over the tags of the binary entropy in bits, as recorded answers of the original are
(0.9999989 and 1.37e-12, as 32-bit numbers, give 1.141163e-05; the eighth digit is the original's rounding).

Multiclass: the entropy of the distribution, divided by that of K equal shares, log2(K): so projects with many
and with few tags use the same scale. The original's formula is not known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dahlia.kinds import Kind

Values = npt.NDArray[np.float64]


def uncertainties(probabilities: npt.ArrayLike, kind: Kind) -> Values:
    """The uncertainty (N,) of predictions (N, K).

    Args:
        probabilities: 0 to 1.
        kind: `multiclass` (rows sum to 1) or `multilabel`.
    """
    unsure: Values = np.clip(_UNCERTAINTIES[kind](np.asarray(probabilities, np.float64)), 0.0, 1.0)
    return unsure


def uncertainty(probabilities: npt.ArrayLike, kind: Kind) -> float:
    """The uncertainty of one prediction (K,); see `uncertainties`."""
    return float(uncertainties(np.atleast_2d(np.asarray(probabilities)), kind)[0])


def _of_distribution(values: Values) -> Values:
    unsure: Values = _bits(values).sum(axis=1) / np.log2(max(values.shape[1], 2))
    return unsure


def _of_each(values: Values) -> Values:
    unsure: Values = (_bits(values) + _bits(1 - values)).mean(axis=1)
    return unsure


def _bits(shares: Values) -> Values:
    logarithms = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    bits: Values = -shares * logarithms
    return bits


_UNCERTAINTIES: dict[Kind, Callable[[Values], Values]] = {
    "multiclass": _of_distribution,
    "multilabel": _of_each,
}
