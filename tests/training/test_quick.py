"""The quick recipe: what it chooses, and that no image has a say in its own judgement."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from dahlia.errors import TrainingError
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.training.quick import QuickResult, train_quick

Features = npt.NDArray[np.float32]
Truth = npt.NDArray[np.bool_]
Folds = npt.NDArray[np.int32]
KINDS = pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
STRENGTHS = [1e-5, 1e-3, 1e-4]


def clouds(count: int = 90, size: int = 40, apart: float = 1.0) -> tuple[Features, Truth, Folds]:
    """Three clouds of unit vectors, `apart` from each other, spread over five folds."""
    rng = np.random.default_rng(0)
    tags = np.arange(count) % 3
    features = rng.normal(size=(count, size)) + apart * rng.normal(size=(3, size))[tags]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return (
        features.astype(np.float32),
        np.eye(3, dtype=bool)[tags],
        (np.arange(count) // 3 % 5).astype(np.int32),
    )


def trained(
    features: Features, truth: Truth, folds: Folds, classification: str = "multiclass", **more: Features
) -> QuickResult:
    return train_quick(
        [features, *more.values()],
        truth,
        folds,
        kind=classification,
        strengths=STRENGTHS,
        max_iterations=60,
    )


def accuracy(result: QuickResult, truth: Truth) -> float:
    return float((result.probabilities.argmax(1) == truth.argmax(1)).mean())


@KINDS
def test_what_comes_back(classification: str) -> None:
    features, truth, folds = clouds()
    result = trained(features, truth, folds, classification)
    assert result.weight.shape == (40, 3)
    assert result.bias.shape == (3,)
    assert result.strength in STRENGTHS
    assert [strength for strength, _ in result.search] == sorted(STRENGTHS, reverse=True)
    assert min(result.search, key=lambda point: point[1])[0] == result.strength
    assert set(result.fold_heads) == set(range(5))
    assert 0.05 <= result.temperature <= 20
    for shares in (result.probabilities, result.uncalibrated):
        assert ((shares >= 0) & (shares <= 1)).all()
        if classification == "multiclass":
            np.testing.assert_allclose(shares.sum(1), 1)
    assert accuracy(result, truth) > 0.9


def test_tags_that_always_come_together_share_the_probability() -> None:
    features, truth, folds = clouds()
    together = np.column_stack([truth[:, 0], truth[:, 1] | truth[:, 2], truth[:, 0]])
    result = trained(features, together, folds)
    np.testing.assert_allclose(result.probabilities.sum(1), 1)
    np.testing.assert_allclose(result.probabilities[:, 0], result.probabilities[:, 2], atol=1e-3)
    assert result.probabilities[truth[:, 0], 0].mean() == pytest.approx(0.5, abs=0.1)
    assert together[np.arange(len(truth)), result.probabilities.argmax(1)].mean() > 0.9


@KINDS
def test_held_out_figures_are_of_heads_fitted_without_the_fold(classification: str) -> None:
    features, truth, folds = clouds()
    result = trained(features, truth, folds, classification)
    for part, (weight, bias) in result.fold_heads.items():
        rows = folds == part
        logits = features[rows].astype(np.float64) @ weight.double().numpy() + bias.double().numpy()
        np.testing.assert_allclose(
            result.uncalibrated[rows], LIKELIHOODS[classification].probabilities(logits), atol=1e-5
        )


@pytest.mark.portable
@KINDS
def test_labels_have_no_say_in_their_own_judgement(classification: str) -> None:
    features, truth, folds = clouds(apart=0.5)
    before = trained(features, truth, folds, classification)
    for part in (0, 3):
        rows = folds == part
        turned = truth.copy()
        turned[rows] = np.roll(turned[rows], 1, axis=1)
        after = trained(features, turned, folds, classification)
        np.testing.assert_array_equal(after.probabilities[rows], before.probabilities[rows])
        assert np.abs(after.probabilities[~rows] - before.probabilities[~rows]).max() > 0.2


@pytest.mark.portable
@KINDS
def test_one_label_does_not_pull_its_own_prediction(classification: str) -> None:
    features, truth, folds = clouds(apart=0.5)
    before = trained(features, truth, folds, classification).probabilities
    for image in (0, 45, 89):
        turned = truth.copy()
        turned[image] = np.roll(turned[image], 1)
        after = trained(features, turned, folds, classification).probabilities
        np.testing.assert_array_equal(after[image], before[image])


@KINDS
def test_labels_that_mean_nothing_are_not_foretold(classification: str) -> None:
    _, truth, folds = clouds(300, 64)
    noise = np.random.default_rng(1).normal(size=(300, 64))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    result = trained(noise.astype(np.float32), truth, folds, classification)
    assert accuracy(result, truth) < 0.4
    # Sigmoids that are cooled down end at a half, a softmax at its share.
    share = 1 / 3 if classification == "multiclass" else 1 / 2
    assert result.probabilities[truth].mean() < share + 0.04


@pytest.mark.portable
@KINDS
def test_training_repeats_itself(classification: str) -> None:
    one, two = (trained(*clouds(), classification) for _ in range(2))
    assert torch.equal(one.weight, two.weight)
    assert np.array_equal(one.probabilities, two.probabilities)
    assert (one.temperature, one.strength, one.search) == (two.temperature, two.strength, two.search)


def test_views_teach_and_only_the_plain_one_is_judged() -> None:
    features, truth, folds = clouds()
    alone = trained(features, truth, folds)
    twice = trained(features, truth, folds, again=features)
    np.testing.assert_allclose(twice.uncalibrated, alone.uncalibrated, atol=0.03)
    misleading = trained(features, truth, folds, other=np.roll(features, 1, axis=0))
    assert accuracy(misleading, truth) < accuracy(alone, truth) or misleading.temperature < alone.temperature


def test_folds_need_not_be_numbered_from_zero() -> None:
    features, truth, folds = clouds()
    one, two = trained(features, truth, folds), trained(features, truth, folds * 3 + 4)
    assert np.array_equal(one.probabilities, two.probabilities)
    assert set(two.fold_heads) == {4, 7, 10, 13, 16}


def test_many_folds_are_fitted_in_several_banks() -> None:
    features, truth, _ = clouds(count=60)
    folds = (np.arange(60) // 3 % 7).astype(np.int32)
    result = trained(features, truth, folds)
    assert set(result.fold_heads) == set(range(7))
    assert accuracy(result, truth) > 0.9


@pytest.mark.parametrize("parts", [1, 2])
def test_too_few_folds(parts: int) -> None:
    features, truth, folds = clouds()
    with pytest.raises(TrainingError, match=f"at least 3 folds.*received {parts}"):
        trained(features, truth, folds % parts)


def in_ten(count: int = 60) -> tuple[Features, Truth, Folds]:
    features, truth, _ = clouds(count, apart=0.5)
    return features, truth, (np.arange(count) // 3 % 10).astype(np.int32)


@pytest.mark.portable
@KINDS
def test_of_ten_folds_labels_have_no_say_in_their_own_judgement(classification: str) -> None:
    features, truth, folds = in_ten()
    before = trained(features, truth, folds, classification)
    for part in (2, 7):
        rows = folds == part
        turned = truth.copy()
        turned[rows] = np.roll(turned[rows], 1, axis=1)
        after = trained(features, turned, folds, classification)
        np.testing.assert_array_equal(after.probabilities[rows], before.probabilities[rows])
        assert np.abs(after.probabilities[~rows] - before.probabilities[~rows]).max() > 0.1


@KINDS
def test_of_ten_folds_each_is_judged_by_a_head_fitted_on_the_other_nine(classification: str) -> None:
    features, truth, folds = in_ten()
    ten = trained(features, truth, folds, classification)
    for part in range(10):
        weight, bias = ten.fold_heads[part]
        logits = features[folds == part].astype(np.float64) @ weight.double().numpy() + bias.double().numpy()
        np.testing.assert_allclose(
            ten.uncalibrated[folds == part], LIKELIHOODS[classification].probabilities(logits), atol=1e-5
        )


def test_few_photos_choose_no_extreme() -> None:
    """Of twelve photos held-out losses say little; what is chosen stays near the middle, and near 1."""
    features, truth, folds = clouds(count=12, apart=0.3)
    strengths = [10.0**-n for n in range(1, 10)]
    chosen = [
        train_quick(
            [features],
            np.roll(truth, shift, axis=0),
            folds,
            kind="multiclass",
            strengths=strengths,
            max_iterations=60,
        )
        for shift in range(3)
    ]
    assert all(1e-7 < result.strength < 1e-3 for result in chosen)
    assert all(0.5 < result.temperature < 2 for result in chosen)


def test_tags_found_too_rarely_are_corrected() -> None:
    """Heads that have seen few photos with a tag are too sure that the next one has not."""
    rng = np.random.default_rng(5)
    truth = rng.random((400, 6)) < 0.12
    features = truth @ rng.normal(size=(6, 60)) + rng.normal(size=(400, 60))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    few = np.arange(400) < 50
    result = trained(features[few], truth[few], (np.arange(50) % 5).astype(np.int32), "multilabel")
    logits = features[~few] @ result.weight.numpy() + result.bias.numpy()
    stated = LIKELIHOODS["multilabel"].probabilities(logits.astype(np.float64) / result.temperature)
    assert stated.mean() == pytest.approx(truth[~few].mean(), rel=0.25)
    assert result.probabilities.mean() == pytest.approx(truth[few].mean(), rel=0.25)
