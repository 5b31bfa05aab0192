"""How good fine-tuned models are, and how long to train: chosen on photos that are not then reported.

Taking, for every fold, the epoch at which its own held-out loss was lowest would report the luckiest of many
looks. So the epoch at which fold i is judged, and its temperature, come from the held-out losses of the other
folds; the final model's come from all, and nothing is reported on it.

When the finished folds say that more epochs only hurt, the later folds stop a few epochs after that. This
takes late epochs away from the choice made for the finished folds; which of the others is taken, they still
do not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from dahlia.dataset.imaging import to_tensor_layout
from dahlia.kinds import Kind
from dahlia.modeling.classifier import Classifier
from dahlia.modeling.likelihoods import LIKELIHOODS, fit_temperature
from dahlia.training.fine_tuning.photo_memory import PhotoMemory

Logits = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]
_BATCH = 32


def predict_logits(model: Classifier, photos: Sequence[tuple[str, Path]], memory: PhotoMemory) -> Logits:
    """(N, K) uncalibrated logits of N photos (id and file), prepared as prediction prepares them.

    Computed in float32 on the model's device; the model must be in evaluation mode.

    Raises:
        DatasetError: a photo changed or vanished after ingest.
    """
    device = model.head.weight.device
    parts = [np.zeros((0, model.head.out_features))]
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for first in range(0, len(photos), _BATCH):
            plain = [memory.get(name, path).plain for name, path in photos[first : first + _BATCH]]
            pixels = torch.from_numpy(to_tensor_layout(plain)).to(device)
            parts.append(model.head(model.backbone(pixels)).cpu().double().numpy())
    return np.concatenate(parts)


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


def judge(logits: Logits, truth: Truth, folds: npt.NDArray[np.int32], kind: Kind) -> Judged:
    """Choose epochs and temperatures crosswise.

    Args:
        logits: (E, N, K) held-out logits after each of E epochs, each row by a model that did not see it.
        truth: (N, K).
        folds: (N,).
        kind: of the model.
    """
    likelihood = LIKELIHOODS[kind]
    probabilities, uncalibrated = np.zeros(truth.shape), np.zeros(truth.shape)
    for part in np.unique(folds):
        rows = folds == part
        epochs, temperature = best_epoch(logits[:, ~rows], truth[~rows], kind)
        probabilities[rows] = likelihood.probabilities(logits[epochs - 1, rows] / temperature)
        uncalibrated[rows] = likelihood.probabilities(logits[epochs - 1, rows])
    epochs, temperature = best_epoch(logits, truth, kind)
    return Judged(probabilities, uncalibrated, epochs, temperature)


def best_epoch(logits: Logits, truth: Truth, kind: Kind) -> tuple[int, float]:
    """The number of epochs, 1 to E, with the lowest loss once calibrated, and its temperature."""
    temperatures = [fit_temperature(epoch, truth, kind) for epoch in logits]
    losses = [
        LIKELIHOODS[kind].negative_log_likelihood(epoch / temperature, truth)
        for epoch, temperature in zip(logits, temperatures, strict=True)
    ]
    best = int(np.argmin(losses))
    return best + 1, temperatures[best]


def loss(probabilities: Logits, truth: Truth, kind: Kind) -> float:
    """Nats per image; for `multilabel` summed over the tags."""
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    likelihood = LIKELIHOODS[kind]
    return likelihood.negative_log_likelihood(likelihood.logits(clipped), truth) / len(truth)
