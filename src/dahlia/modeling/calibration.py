"""Temperature scaling (Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_BOUNDS = (0.05, 20.0)
_PRIOR_IMAGES = 4.0


def shares(truth: npt.NDArray[np.bool_], classification: str) -> npt.NDArray[np.float64]:
    """(N, K) how much of an image each of its tags has.

    For `multilabel` all of it; for `multiclass` an equal part, so that the rows sum to 1.
    """
    if classification == "multiclass":
        return np.asarray(truth / truth.sum(1, keepdims=True))
    return truth.astype(np.float64)


def fit_temperature(
    logits: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_], classification: str
) -> float:
    """The temperature that makes held-out predictions most likely.

    A log-normal prior around 1 with the weight of a few images keeps a small and perfectly separated set
    from asking for certainty.

    Args:
        logits: (N, K) of images that the scored model did not see.
        truth: (N, K) bool.
        classification: `multiclass` or `multilabel`.

    Returns:
        A number between 0.05 and 20; above 1 the model was too sure of itself.
    """
    from scipy.optimize import minimize_scalar

    def objective(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return negative_log_likelihood(scaled, truth, classification) + (
            0.5 * _PRIOR_IMAGES * log_temperature**2
        )

    bounds = (float(np.log(_BOUNDS[0])), float(np.log(_BOUNDS[1])))
    found = minimize_scalar(objective, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def negative_log_likelihood(
    logits: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_], classification: str
) -> float:
    """The sum over N images, in nats; for `multilabel` over the tags too."""
    if classification == "multiclass":
        top = logits.max(1, keepdims=True)
        normaliser = top[:, 0] + np.log(np.exp(logits - top).sum(1))
        return float((normaliser - (logits * shares(truth, classification)).sum(1)).sum())
    return float((np.logaddexp(0, logits) - logits * truth).sum())


def to_probabilities(logits: npt.NDArray[np.float64], classification: str) -> npt.NDArray[np.float64]:
    """(N, K) logits to probabilities: softmax for `multiclass`, sigmoid for `multilabel`."""
    if classification == "multiclass":
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(exponents / exponents.sum(1, keepdims=True))
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))
