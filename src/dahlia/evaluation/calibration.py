"""How far probabilities can be believed, before and after calibration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.figures import Calibration, Reliability, ReliabilityBin
from dahlia.evaluation.intervals import proportion
from dahlia.evaluation.judges import JUDGES
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.predictions import ClassPredictions

IMAGES_PER_BIN = 5
SMALLEST = 1e-15

Values = npt.NDArray[np.float64]


def calibration(predictions: ClassPredictions, *, bins: int, confidence: float, share: float) -> Calibration:
    """Reliability before and after calibration.

    Multiclass: top-label, the probability of the most probable tag against whether it is right.
    Multilabel: the probability of each tag against whether it is there, all tags pooled.

    Args:
        predictions: N images.
        bins: at most so many; fewer where a bin would hold less than `IMAGES_PER_BIN`.
        confidence: of the bins' intervals.
        share: see `dahlia.evaluation.intervals.independent_share`.
    """

    def of(probabilities: Values) -> Reliability:
        return _reliability(predictions, probabilities, bins, confidence, share)

    return Calibration(before=of(predictions.uncalibrated), after=of(predictions.probabilities))


def expected_calibration_error(
    confidences: Values, correct: npt.NDArray[np.bool_], groups: npt.NDArray[np.intp]
) -> float:
    """ECE: the mean over predictions of |mean confidence - accuracy| of their bin.

    Bins of equal mass are less biased than those of equal width (Roelofs et al. 2022, "Mitigating bias
    in calibration error estimation").

    Args:
        confidences: (M,) 0 to 1.
        correct: (M,) whether each was right.
        groups: (M,) the bin of each.
    """
    return float(np.abs(np.bincount(groups, weights=confidences - correct)).sum() / len(confidences))


def equal_mass(confidences: Values, bins: int) -> npt.NDArray[np.intp]:
    """The bin (M,) of each confidence, 0 to `bins` - 1, of about equal mass; equal values stay together."""
    count = max(1, min(bins, len(confidences) // IMAGES_PER_BIN))
    edges = np.unique(np.quantile(confidences, np.linspace(0, 1, count + 1)[1:-1]))
    groups = np.searchsorted(edges, confidences, side="right")
    return np.unique(groups, return_inverse=True)[1]


def _reliability(
    predictions: ClassPredictions, probabilities: Values, bins: int, confidence: float, share: float
) -> Reliability:
    confidences, correct = JUDGES[predictions.kind].confidences(predictions.truth, probabilities)
    return reliability(confidences, correct, _scores(predictions, probabilities), bins, confidence, share)


def reliability(
    confidences: Values,
    correct: npt.NDArray[np.bool_],
    scores: tuple[float, float],
    bins: int,
    confidence: float,
    share: float,
    apart: float = 0.0,
) -> Reliability:
    """How far M confidences can be believed.

    Args:
        confidences: (M,) 0 to 1; M above 0.
        correct: (M,) whether each was right.
        scores: Brier score and negative log-likelihood.
        bins: see `calibration`.
        confidence: likewise.
        share: likewise.
        apart: bins whose mean confidences differ by less are joined.
    """
    groups = _joined(confidences, equal_mass(confidences, bins), apart)
    brier, nll = scores
    return Reliability(
        ece=expected_calibration_error(confidences, correct, groups),
        ece_by_chance=_by_chance(confidences, groups),
        brier=brier,
        nll=nll,
        bins=tuple(
            ReliabilityBin(
                confidence=float(confidences[groups == group].mean()),
                accuracy=proportion(
                    int(correct[groups == group].sum()), int((groups == group).sum()), confidence, share
                ),
            )
            for group in range(groups.max() + 1)
        ),
    )


def _joined(confidences: Values, groups: npt.NDArray[np.intp], apart: float) -> npt.NDArray[np.intp]:
    means = np.bincount(groups, weights=confidences) / np.bincount(groups)
    joined, last = np.zeros(len(means), np.intp), 0
    for group in range(1, len(means)):
        last = last if means[group] - means[last] < apart else group
        joined[group] = last
    return np.unique(joined[groups], return_inverse=True)[1]


def _by_chance(confidences: Values, groups: npt.NDArray[np.intp]) -> float:
    # in a calibrated model a bin's surplus of right ones is about normal around 0; E|x| = sqrt(2 / pi) sigma
    spread = np.sqrt(np.bincount(groups, weights=confidences * (1 - confidences)))
    return float(np.sqrt(2 / np.pi) * spread.sum() / len(confidences))


def _scores(predictions: ClassPredictions, probabilities: Values) -> tuple[float, float]:
    shares = LIKELIHOODS[predictions.kind].shares(predictions.truth)
    losses = tag_losses(predictions.truth, probabilities)
    return JUDGES[predictions.kind].scores((probabilities - shares) ** 2, losses, shares)


def tag_losses(truth: npt.NDArray[np.bool_], probabilities: Values) -> Values:
    """The negative log-likelihood (N, K) of each tag's state, nats; at most that of 1e-15."""
    likelihood = np.where(truth, probabilities, 1 - probabilities)
    losses: Values = -np.log(np.clip(likelihood, SMALLEST, 1.0))
    return losses
