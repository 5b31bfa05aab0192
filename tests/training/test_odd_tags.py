"""Multilabel photos as people have them: tags that say nothing, and photos that have none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from dahlia.evaluation.evaluation import evaluate
from dahlia.evaluation.figures import Estimate
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.predictions import ClassPredictions
from dahlia.params import EvaluateParams
from dahlia.training.quick import train_quick

Truth = npt.NDArray[np.bool_]
PARAMS = EvaluateParams(
    threshold=0.5, confidence=0.95, bootstrap_samples=200, calibration_bins=10, worst_images=3
)
LEARNED = 60
KNOWN = np.arange(360) % 4
ALONE = np.eye(4, dtype=bool)[KNOWN]
ODD: dict[str, Truth] = {
    "a tag that no photo lacks": np.column_stack([ALONE, np.ones(360, bool)]),
    "no tag but such": np.ones((360, 2), bool),
    "tags that come together": np.column_stack([ALONE, ALONE[:, 0]]),
    "tags that exclude each other": np.column_stack([ALONE[:, 0], ~ALONE[:, 0]]),
    "photos without a tag": ALONE[:, :2],
    "hardly a photo with a tag": np.column_stack([np.arange(360) % 30 == 3, np.arange(360) % 30 == 5]),
    "a tag on two photos": np.column_stack([ALONE[:, :2], np.arange(360) % 30 == 7]),
}


def judged(truth: Truth, folds: int) -> tuple[ClassPredictions, float]:
    """Held-out predictions of the first photos, the final model's of the others, and its temperature."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(360, 50)) + 1.2 * rng.normal(size=(4, 50))[KNOWN]
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    known = np.arange(360) < LEARNED
    fold = np.where(known, np.arange(360) // 4 % folds, -1).astype(np.int32)
    quick = train_quick(
        [features[known]],
        truth[known],
        fold[known],
        kind="multilabel",
        strengths=[1e-6, 1e-5, 1e-4, 1e-3],
        max_iterations=60,
    )
    likelihood = LIKELIHOODS["multilabel"]
    logits = (features @ quick.weight.numpy() + quick.bias.numpy()).astype(np.float64)
    calibrated, uncalibrated = (likelihood.probabilities(z) for z in (logits / quick.temperature, logits))
    calibrated[known], uncalibrated[known] = quick.probabilities, quick.uncalibrated
    ids = tuple(f"{n:03d}" for n in range(360))
    tags = tuple(f"tag {n}" for n in range(truth.shape[1]))
    return ClassPredictions(ids, tags, "multilabel", fold, truth, calibrated, uncalibrated), quick.temperature


@pytest.mark.parametrize("folds", [5, 10])
@pytest.mark.parametrize("truth", ODD.values(), ids=ODD)
def test_figures_intervals_and_probabilities_are_honest(truth: Truth, folds: int) -> None:
    predictions, temperature = judged(truth, folds)
    assert 0.2 < temperature < 5
    evaluation = evaluate(predictions, PARAMS, seed=0, negative_tag=None)
    assert evaluation.test is not None
    stated, tested = evaluation.held_out, evaluation.test
    accuracy, true = stated.overall.accuracy, tested.overall.accuracy.value
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert true is not None
    assert accuracy.low <= true <= accuracy.high
    for figures in (stated, tested):
        for tag in figures.tags:
            for each in (tag.precision, tag.recall, tag.f1, tag.ap):
                assert is_sound(each)
        assert figures.calibration.after.ece < 0.1
    held_out = predictions.held_out
    assert held_out.probabilities.mean(0) == pytest.approx(held_out.truth.mean(0), abs=0.1)
    assert predictions.test.probabilities.mean(0) == pytest.approx(predictions.test.truth.mean(0), abs=0.1)


def is_sound(estimate: Estimate) -> bool:
    if estimate.value is None:
        return estimate.low is None and estimate.high is None
    assert estimate.low is not None
    assert estimate.high is not None
    return 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_tags_that_come_together_are_equally_probable() -> None:
    predictions, _ = judged(ODD["tags that come together"], 5)
    np.testing.assert_allclose(predictions.probabilities[:, 0], predictions.probabilities[:, 4], atol=1e-3)


def test_a_tag_without_others_has_no_curve() -> None:
    predictions, _ = judged(ODD["a tag that no photo lacks"], 5)
    tag = evaluate(predictions, PARAMS, seed=0, negative_tag=None).held_out.tags[-1]
    assert tag.auc is None
    assert tag.recall.low is not None
    assert tag.recall.low < 1
