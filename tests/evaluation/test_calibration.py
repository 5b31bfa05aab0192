from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import log_loss

from dahlia.evaluation.calibration import (
    IMAGES_PER_BIN,
    calibration,
    equal_mass,
    expected_calibration_error,
    reliability,
    tag_losses,
)
from dahlia.modeling.predictions import ClassPredictions

Make = Callable[..., ClassPredictions]


def test_ece_by_hand() -> None:
    sure, hit = np.array([0.6, 0.8, 0.9, 1.0]), np.array([True, False, True, True])
    # bins of two: |0.7 - 0.5| and |0.95 - 1|
    assert expected_calibration_error(sure, hit, np.array([0, 0, 1, 1])) == pytest.approx(0.125)


def test_bins_hold_the_same_mass_and_keep_ties_together() -> None:
    assert np.bincount(equal_mass(np.linspace(0, 1, 100), 10)).tolist() == [10] * 10
    tied = equal_mass(np.array([0.5] * 30 + [0.9] * 30), 10)
    assert len(set(tied[:30].tolist())) == 1


@pytest.mark.parametrize(("images", "bins"), [(3, 1), (2 * IMAGES_PER_BIN, 2), (1000, 10)])
def test_few_images_make_few_bins(images: int, bins: int) -> None:
    assert equal_mass(np.linspace(0, 1, images), 10).max() + 1 == bins


def test_bins_of_nearly_one_confidence_are_joined() -> None:
    confidences = np.concatenate([np.full(10, 0.3), np.linspace(0.96, 1.0, 40)])
    correct = np.ones(50, bool)
    apart, joined = (
        reliability(confidences, correct, (0.0, 0.0), 10, 0.95, 1.0, least).bins for least in (0.0, 0.05)
    )
    assert len(apart) > 4
    assert [each.accuracy.images for each in joined] == [10, 40]
    assert joined[1].confidence == pytest.approx(0.98)


def test_scores_agree_with_scikit_learn(generated: Make) -> None:
    predictions = generated(60)
    after = calibration(predictions, bins=10, confidence=0.95, share=1.0).after
    assert after.nll == pytest.approx(
        log_loss(predictions.truth.argmax(axis=1), predictions.probabilities), rel=1e-5
    )
    squares = ((predictions.probabilities - predictions.truth) ** 2).sum(axis=1)
    assert after.brier == pytest.approx(squares.mean(), rel=1e-5)


def test_before_and_after_differ(generated: Make) -> None:
    both = calibration(generated(200, strength=1.5), bins=10, confidence=0.95, share=0.8)
    assert both.before.ece > both.after.ece


def test_a_calibrated_model_shows_the_error_of_chance() -> None:
    draw = np.random.default_rng(0)
    sure = draw.uniform(0.5, 1, size=(200, 120))
    hit = draw.random(sure.shape) < sure
    mean = np.mean(
        [expected_calibration_error(*row, equal_mass(row[0], 10)) for row in zip(sure, hit, strict=True)]
    )
    chances = np.column_stack([sure[0], 1 - sure[0]])
    predictions = ClassPredictions(
        ids=tuple(map(str, range(120))),
        tags=("a", "b"),
        kind="multiclass",
        fold=np.zeros(120, np.int32),
        truth=np.eye(2, dtype=bool)[np.where(hit[0], 0, 1)],
        probabilities=chances,
        uncalibrated=chances,
    )
    after = calibration(predictions, bins=10, confidence=0.95, share=1.0).after
    assert after.ece_by_chance == pytest.approx(mean, rel=0.1)


def test_multilabel_pools_all_tags(generated: Make) -> None:
    predictions = generated(40, classification="multilabel")
    after = calibration(predictions, bins=10, confidence=0.95, share=1.0).after
    assert sum(each.accuracy.images for each in after.bins) == 40 * 3
    assert after.nll == pytest.approx(
        tag_losses(predictions.truth, predictions.probabilities).mean(), rel=1e-5
    )


def test_a_certain_error_has_a_finite_loss() -> None:
    assert np.isfinite(tag_losses(np.array([[True, False]]), np.array([[0.0, 1.0]]))).all()
