"""From a table of images to a trained model, by the recipe that the parameters name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch

from dahlia import layout
from dahlia.config import Params
from dahlia.modeling.backbones import Backbone, load_backbone
from dahlia.modeling.bundle import set_head
from dahlia.modeling.calibration import to_probabilities
from dahlia.modeling.classifier import Classifier
from dahlia.modeling.predictions import Predictions
from dahlia.training.data import TrainingData
from dahlia.training.feature_cache import FeatureCache
from dahlia.training.features import extract_features
from dahlia.training.quick import QuickResult, train_quick

Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Trained:
    """The model and what is known about it.

    Attributes:
        model: on all training images, in evaluation mode.
        recipe: the recipe that it came from.
        predictions: held-out, and of the user's own test set by the final model.
        temperature: of the final model.
        strength: regularisation of the final head.
        history: rows of numbers in the order in which they were measured, for curves.
    """

    model: Classifier
    recipe: str
    predictions: Predictions
    temperature: float
    strength: float
    history: list[dict[str, float]]


def train(data: TrainingData, params: Params, root: Path) -> Trained:
    """Train by `params.training.recipe`.

    Raises:
        WeightsError: the backbone or its weights cannot be had.
        TrainingError: an image or a number on the way cannot be used.
    """
    pl.seed_everything(params.project.seed, verbose=False)
    # Subnormal weights in the tails of the solver cost tenfold time and change no figure.
    torch.set_flush_denormal(True)
    backbone = load_backbone(params.domain.backbone.architecture, params.domain.backbone.weights)
    features = _features(data, params, root, backbone)
    learned = data.training
    quick = train_quick(
        [view[learned] for view in features.values()],
        data.truth[learned],
        data.folds[learned],
        classification=params.project.classification,
        strengths=params.training.regularisation,
        max_iterations=params.training.max_iterations,
    )
    model = Classifier(backbone, len(data.tags), params.project.classification)
    set_head(model, quick.weight, quick.bias, quick.temperature)
    return Trained(
        model=model.eval(),
        recipe="quick",
        predictions=_predictions(data, quick, features["plain"], params.project.classification),
        temperature=quick.temperature,
        strength=quick.strength,
        history=[{"strength": strength, "held_out_loss": loss} for strength, loss in quick.search],
    )


def _features(data: TrainingData, params: Params, root: Path, backbone: Backbone) -> dict[str, Features]:
    """The plain view first; the test set's rows are never fitted on."""
    size = params.domain.input.size
    views = ["plain", *(view for view in params.domain.recipe.views if view != "plain")]
    return extract_features(
        data.records,
        views,
        root=root,
        backbone=backbone,
        size=size,
        cache=FeatureCache(root / layout.FEATURE_CACHE, backbone.fingerprint, size),
        batch_size=params.training.batch_size,
    )


def _predictions(data: TrainingData, quick: QuickResult, plain: Features, classification: str) -> Predictions:
    learned = data.training
    logits = plain.astype(np.float64) @ quick.weight.double().numpy() + quick.bias.double().numpy()
    calibrated = to_probabilities(logits / quick.temperature, classification)
    uncalibrated = to_probabilities(logits, classification)
    calibrated[learned], uncalibrated[learned] = quick.probabilities, quick.uncalibrated
    return Predictions(
        ids=tuple(record.id for record in data.records),
        tags=data.tags,
        classification=classification,
        fold=data.folds,
        truth=data.truth,
        probabilities=calibrated,
        uncalibrated=uncalibrated,
    )
