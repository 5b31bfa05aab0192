from __future__ import annotations

import numpy as np
import pytest

from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.training.fine_tuning.judging import best_epoch, judge, loss

KINDS = ["multiclass", "multilabel"]


def problem(seed: int = 0, epochs: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(E, N, K) logits, better until the third epoch; (N, K) truth; (N,) folds."""
    rng = np.random.default_rng(seed)
    truth = np.eye(3, dtype=bool)[rng.integers(0, 3, 90)]
    strength = np.array([0.5, 1.5, 3.0, 1.0, 0.2])[:epochs, None, None]
    return rng.normal(size=(epochs, 90, 3)) + strength * truth, truth, np.arange(90, dtype=np.int32) % 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_epoch_is_found(kind: str) -> None:
    logits, truth, folds = problem()
    epochs, scaling = best_epoch(logits, truth, kind)
    judged = judge(logits, truth, folds, kind)
    assert epochs == judged.epochs == 3
    assert judged.scaling == scaling
    assert scaling.temperature > 0
    assert loss(judged.probabilities, truth, kind) < loss(np.full(truth.shape, 1 / 3), truth, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_temperature_is_not_what_decides(kind: str) -> None:
    logits, truth, _ = problem()
    logits[2] *= 8  # far too sure of itself, and still the best
    assert best_epoch(logits, truth, kind)[0] == 3


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_chosen_by_a_folds_own_truth(kind: str) -> None:
    logits, truth, folds = problem()
    own = folds == 1
    before = judge(logits, truth, folds, kind)
    turned = truth.copy()
    turned[own] = np.roll(turned[own], 1, axis=1)
    after = judge(logits, turned, folds, kind)
    np.testing.assert_array_equal(before.probabilities[own], after.probabilities[own])
    np.testing.assert_array_equal(before.uncalibrated[own], after.uncalibrated[own])
    assert np.abs(before.probabilities[~own] - after.probabilities[~own]).max() > 0


def test_noise_is_not_rewarded() -> None:
    """Of forty epochs of pure chance each fold's own best looks good; what is reported does not."""
    rng = np.random.default_rng(4)
    truth = np.eye(2, dtype=bool)[rng.integers(0, 2, 60)]
    folds = np.arange(60, dtype=np.int32) % 3
    logits = rng.normal(size=(40, 60, 2))
    judged = judge(logits, truth, folds, "multiclass")
    peeking = np.mean(
        [
            max((e[folds == f].argmax(1) == truth[folds == f].argmax(1)).mean() for e in logits)
            for f in range(3)
        ]
    )
    assert peeking > 0.65
    assert LIKELIHOODS["multiclass"].accuracy(judged.probabilities, truth) < 0.6
    assert loss(judged.probabilities, truth, "multiclass") >= np.log(2) * 0.97


def test_one_epoch_leaves_no_choice() -> None:
    logits, truth, folds = problem(epochs=1)
    assert judge(logits, truth, folds, "multiclass").epochs == 1


@pytest.mark.parametrize(
    ("table", "kind", "expected"),
    [
        ([[0.9, 0.1], [0.6, 0.4]], "multiclass", 0.5),
        ([[0.9, 0.1], [0.6, 0.4]], "multilabel", 0.5),
        ([[0.9, 0.6], [0.2, 0.6]], "multilabel", 0.75),
    ],
)
def test_accuracy(table: list[list[float]], kind: str, expected: float) -> None:
    assert LIKELIHOODS[kind].accuracy(np.array(table), np.array([[True, False], [False, True]])) == expected


def test_certainty_costs_no_infinity() -> None:
    certain = np.array([[1.0, 0.0]])
    assert loss(certain, certain > 0.5, "multiclass") == pytest.approx(0, abs=1e-9)
    assert np.isfinite(loss(certain, certain < 0.5, "multilabel"))
