"""How long to train, chosen on held-out photos without choosing on those that are then reported.

Taking, for every fold, the epoch at which its own held-out loss was lowest would report the luckiest of many
looks. So the epoch at which fold i is judged, and its temperature, come from the held-out losses of the other
folds; the final model's come from all, and nothing is reported on it.

When the finished folds say that more epochs only hurt, the later folds stop a few epochs after that. This
takes late epochs away from the choice made for the finished folds; which of the others is taken, they still
do not say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.modeling.calibration import fit_temperature, negative_log_likelihood, to_probabilities
from dahlia.training.fine_tuning.judging import Logits

Truth = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Held-out predictions, and what was chosen.

    Attributes:
        probabilities: (N, K) calibrated; epoch and temperature of a row were chosen without its fold.
        uncalibrated: (N, K) the same without temperature.
        epochs: of the final model, chosen on all folds.
        temperature: of the final model.
    """

    probabilities: Logits
    uncalibrated: Logits
    epochs: int
    temperature: float


def judge(logits: Logits, truth: Truth, folds: npt.NDArray[np.int32], classification: str) -> Judged:
    """Choose epochs and temperatures crosswise.

    Args:
        logits: (E, N, K) held-out logits after each of E epochs, each row by a model that did not see it.
        truth: (N, K).
        folds: (N,).
        classification: `multiclass` or `multilabel`.
    """
    probabilities, uncalibrated = np.zeros(truth.shape), np.zeros(truth.shape)
    for part in np.unique(folds):
        rows = folds == part
        epochs, temperature = best_epoch(logits[:, ~rows], truth[~rows], classification)
        probabilities[rows] = to_probabilities(logits[epochs - 1, rows] / temperature, classification)
        uncalibrated[rows] = to_probabilities(logits[epochs - 1, rows], classification)
    epochs, temperature = best_epoch(logits, truth, classification)
    return Judged(probabilities, uncalibrated, epochs, temperature)


def best_epoch(logits: Logits, truth: Truth, classification: str) -> tuple[int, float]:
    """The number of epochs, 1 to E, with the lowest loss once calibrated, and its temperature."""
    temperatures = [fit_temperature(epoch, truth, classification) for epoch in logits]
    losses = [
        negative_log_likelihood(epoch / temperature, truth, classification)
        for epoch, temperature in zip(logits, temperatures, strict=True)
    ]
    best = int(np.argmin(losses))
    return best + 1, temperatures[best]


def loss(probabilities: Logits, truth: Truth, classification: str) -> float:
    """Nats per image; for `multilabel` summed over the tags."""
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    logits = np.log(clipped) if classification == "multiclass" else np.log(clipped / (1 - clipped))
    return negative_log_likelihood(logits, truth, classification) / len(truth)


def accuracy(probabilities: Logits, truth: Truth, classification: str) -> float:
    """The share of images whose likeliest tag is right; for `multilabel` of decisions at 0.5, 0 to 1."""
    if classification == "multiclass":
        return float(truth[np.arange(len(truth)), probabilities.argmax(1)].mean())
    return float(((probabilities >= 0.5) == truth).mean())
