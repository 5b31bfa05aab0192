"""The advanced recipe: the backbone learns too, and must beat the quick head on held-out photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch

from dahlia.dataset.imaging import load, to_tensor_layout
from dahlia.dataset.photos import read_photo
from dahlia.modeling.bundle import set_head
from dahlia.modeling.calibration import fit_temperature, negative_log_likelihood, to_probabilities
from dahlia.modeling.classifier import Classifier
from dahlia.params import FineTuningParams
from dahlia.training.fine_tuning import TuningData, fine_tune, seconds_per_epoch
from dahlia.training.quick import QuickResult

# What is left of the budget for the probe, for judging, and for a machine that is busier than it was.
_USABLE_BUDGET = 0.85
_BATCH = 32
Logits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AdvancedResult:
    """A fine-tuned model that was better than the quick head on held-out photos.

    Attributes:
        model: on all training images, with its temperature.
        temperature: of the final model.
        probabilities: (N, K) held-out, calibrated.
        uncalibrated: (N, K) the same without temperature.
        epochs: passes over the photos.
        gain: how much lower its held-out loss per image is (nats).
    """

    model: Classifier
    temperature: float
    probabilities: Logits
    uncalibrated: Logits
    epochs: int
    gain: float


def train_advanced(
    start: Classifier,
    quick: QuickResult,
    data: TuningData,
    folds: npt.NDArray[np.int32],
    params: FineTuningParams,
) -> AdvancedResult | None:
    """Fine-tune once per fold and once on all, for as many epochs as the budget allows.

    The schedule is fixed before the first fold, so no held-out photo decides when to stop. Each fold
    starts from the quick head that was fitted without it.

    Returns:
        The result, or `None` where the quick head is as good or the budget is too short for one pass.
    """
    parts = [int(part) for part in np.unique(folds)]
    passes = params.budget_minutes * 60 * _USABLE_BUDGET / seconds_per_epoch(start, data, params)
    epochs = min(params.max_epochs, int(passes / len(parts)))
    if epochs < 1:
        click.echo(
            f"train: {params.budget_minutes:g} minutes are too few for one pass over each fold; "
            "the quick head is kept. Raise `training.fine_tuning.budget_minutes`."
        )
        return None
    logits = np.zeros(data.truth.shape)
    for part in parts:
        model = _with_head(start, *quick.fold_heads[part])
        tuned = fine_tune(model, _subset(data, folds != part), params, epochs)
        logits[folds == part] = _logits(tuned, _subset(data, folds == part))
    probabilities = _cross_fitted(logits, data.truth, folds, start.classification)
    gain = _loss(quick.probabilities, data.truth, start.classification) - _loss(
        probabilities, data.truth, start.classification
    )
    if gain <= 0:
        click.echo(f"train: fine-tuning is worse by {-gain:.3f} nats an image; the quick head is kept")
        return None
    click.echo(f"train: fine-tuning is better by {gain:.3f} nats an image, {epochs} epochs")
    model = fine_tune(_with_head(start, quick.weight, quick.bias), data, params, epochs)
    temperature = fit_temperature(logits, data.truth, start.classification)
    model.temperature.fill_(temperature)
    return AdvancedResult(
        model=model,
        temperature=temperature,
        probabilities=probabilities,
        uncalibrated=to_probabilities(logits, start.classification),
        epochs=epochs,
        gain=gain,
    )


def predict_logits(model: Classifier, photos: Sequence[tuple[str, Path]], size: int) -> Logits:
    """(N, K) uncalibrated logits of N photos (id and file), prepared as prediction prepares them."""
    parts = []
    with torch.inference_mode():
        for first in range(0, len(photos), _BATCH):
            batch = [load(read_photo(path, name), size) for name, path in photos[first : first + _BATCH]]
            parts.append(
                model.head(model.backbone(torch.from_numpy(to_tensor_layout(batch)))).double().numpy()
            )
    return np.concatenate(parts)


def _logits(model: Classifier, data: TuningData) -> Logits:
    return predict_logits(model, list(zip(data.ids, data.paths, strict=True)), data.size)


def _cross_fitted(
    logits: Logits, truth: npt.NDArray[np.bool_], folds: npt.NDArray[np.int32], classification: str
) -> Logits:
    """Each fold's temperature comes from the other folds."""
    probabilities = np.zeros_like(logits)
    for part in np.unique(folds):
        rows = folds == part
        temperature = fit_temperature(logits[~rows], truth[~rows], classification)
        probabilities[rows] = to_probabilities(logits[rows] / temperature, classification)
    return probabilities


def _loss(probabilities: Logits, truth: npt.NDArray[np.bool_], classification: str) -> float:
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    logits = np.log(clipped) if classification == "multiclass" else np.log(clipped / (1 - clipped))
    return negative_log_likelihood(logits, truth, classification) / len(truth)


def _subset(data: TuningData, rows: npt.NDArray[np.bool_]) -> TuningData:
    kept = np.flatnonzero(rows).tolist()
    return replace(
        data,
        ids=[data.ids[row] for row in kept],
        paths=[data.paths[row] for row in kept],
        truth=data.truth[rows],
    )


def _with_head(model: Classifier, weight: torch.Tensor, bias: torch.Tensor) -> Classifier:
    # fine_tune copies the model before it changes it, so the head may be set in place.
    set_head(model, weight, bias, 1.0)
    return model
