"""Predictions to judge."""

from __future__ import annotations

import numpy as np

from dahlia.dataset.manifest import TEST_FOLD
from dahlia.modeling.predictions import ClassPredictions


def predictions_of(
    images: int,
    tags: int,
    classification: str = "multiclass",
    *,
    folds: int = 3,
    test: int = 0,
    seed: int = 0,
) -> ClassPredictions:
    """Random ones, better than chance, with many equal probabilities; the last `test` rows are a test set."""
    draw = np.random.default_rng(seed)
    label = draw.integers(0, tags, images)
    truth = np.eye(tags, dtype=bool)[label]
    signal = draw.normal(size=(images, tags)) + 2 * truth
    if classification == "multilabel":
        truth = truth | (draw.random((images, tags)) < 0.2)
        probabilities = np.round(1 / (1 + np.exp(-signal)), 2)
    else:
        powers = np.exp(np.round(signal))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
    fold = (np.arange(images) % folds).astype(np.int32)
    fold[images - test :] = TEST_FOLD
    return ClassPredictions(
        ids=tuple(f"{row:064x}" for row in range(images)),
        tags=tuple(f"tag {column}" for column in range(tags)),
        kind=classification,
        fold=fold,
        truth=truth,
        probabilities=probabilities,
        uncalibrated=probabilities,
    )
