"""Generated predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from dahlia.dataset.manifest import TEST_FOLD
from dahlia.modeling.predictions import ClassPredictions, FoldOutcomes, LearningCurve
from dahlia.params import EvaluateParams


def image_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@pytest.fixture
def params() -> EvaluateParams:
    return EvaluateParams(
        threshold=0.5, confidence=0.95, bootstrap_samples=400, calibration_bins=10, worst_images=6
    )


@pytest.fixture
def written() -> Callable[..., ClassPredictions]:
    """Predictions written out by hand: rows of true tag numbers and rows of probabilities."""

    def make(
        truth: Sequence[Sequence[int]],
        probabilities: Sequence[Sequence[float]],
        classification: str = "multiclass",
        fold: Sequence[int] | None = None,
    ) -> ClassPredictions:
        chances = np.array(probabilities, dtype=np.float64)
        table = np.zeros(chances.shape, dtype=bool)
        for row, columns in enumerate(truth):
            table[row, list(columns)] = True
        count, tags = chances.shape
        return ClassPredictions(
            ids=tuple(sorted(image_id(number) for number in range(count))),
            tags=tuple("abcdefgh"[:tags]),
            kind=classification,
            fold=np.array(np.arange(count) % 2 if fold is None else fold, dtype=np.int32),
            truth=table,
            probabilities=chances,
            uncalibrated=chances,
        )

    return make


@pytest.fixture
def generated() -> Callable[..., ClassPredictions]:
    """Predictions of a model that is mostly right; `wrong` images at the front carry a wrong tag."""

    def make(
        images: int = 60,
        tags: Sequence[str] = ("oak", "birch", "maple"),
        classification: str = "multiclass",
        strength: float = 3.0,
        wrong: int = 2,
        test: int = 0,
        seed: int = 0,
    ) -> ClassPredictions:
        draw = np.random.default_rng(seed)
        total, many = images + test, len(tags)
        if classification == "multiclass":
            truth = np.eye(many, dtype=bool)[np.arange(total) % many]
        else:
            truth = draw.random((total, many)) < 0.4
        scores = draw.normal(size=(total, many)) + strength * (truth - 0.5)
        truth[:wrong] = (
            np.roll(truth[:wrong], 1, axis=1) if classification == "multiclass" else ~truth[:wrong]
        )
        return ClassPredictions(
            ids=tuple(image_id(number) for number in range(total)),
            tags=tuple(tags),
            kind=classification,
            fold=np.array([*(np.arange(images) // many % 5), *[TEST_FOLD] * test], dtype=np.int32),
            truth=truth,
            probabilities=_probabilities(1.5 * scores, classification),
            uncalibrated=_probabilities(4 * scores, classification),
        )

    return make


@pytest.fixture
def curved() -> Callable[..., LearningCurve]:
    """The learning curve of such predictions: the last digit is their own, the others were tossed."""

    def make(predictions: ClassPredictions, recipe: str = "quick", steep: float = 0.7) -> LearningCurve:
        held_out = predictions.held_out
        if held_out.kind == "multiclass":
            given = np.eye(len(held_out.tags), dtype=bool)[held_out.probabilities.argmax(1)]
        else:
            given = held_out.probabilities >= 0.5
        luck = np.random.default_rng(0).random(len(held_out.ids))
        known = [luck < steep + (1 - steep) * share for share in (0.25, 0.5, 0.75, 1.0)]

        def folds(among: np.ndarray, right: np.ndarray) -> list[FoldOutcomes]:
            return [_fold(int(part), held_out.fold, among, right, known) for part in np.unique(held_out.fold)]

        return LearningCurve.model_validate(
            {
                "recipe": recipe,
                "classification": held_out.kind,
                "shares": (0.25, 0.5, 0.75, 1.0),
                "tags": held_out.tags,
                "whole": folds(np.ones(len(held_out.ids), bool), (given == held_out.truth).all(1)),
                "by_tag": [folds(held_out.truth[:, tag], given[:, tag]) for tag in range(len(held_out.tags))],
            }
        )

    return make


def _fold(
    part: int, fold: np.ndarray, among: np.ndarray, right: np.ndarray, known: list[np.ndarray]
) -> FoldOutcomes:
    pool = int((among & (fold != part)).sum())
    ways = [
        "".join(str(int(right[row] and luck[row])) for luck in known)
        for row in np.flatnonzero(among & (fold == part))
    ]
    return FoldOutcomes(
        fold=part,
        learned=(-(-pool // 4), -(-pool // 2), -(-3 * pool // 4), pool),
        outcomes={way: ways.count(way) for way in sorted(set(ways))},
    )


def _probabilities(scores: np.ndarray, classification: str) -> np.ndarray:
    if classification == "multilabel":
        return 1 / (1 + np.exp(-scores))
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
