from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from dahlia.evaluation.intervals import (
    clopper_pearson,
    independent_share,
    learned_share,
    proportion,
    resampled,
)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 10), (5, 10), (9, 10), (10, 10), (93, 100)])
def test_agrees_with_scipy(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, method="exact")
    assert clopper_pearson(successes, trials, 0.95) == pytest.approx((expected.low, expected.high))


def test_ten_of_ten_is_not_certain() -> None:
    estimate = proportion(10, 10, 0.95)
    assert (estimate.value, estimate.high) == (1.0, 1.0)
    assert estimate.low == pytest.approx(0.691503, abs=1e-6)


def test_no_images_is_undefined() -> None:
    estimate = proportion(0, 0, 0.95)
    assert (estimate.value, estimate.low, estimate.high, estimate.images) == (None, None, None, 0)


@pytest.mark.parametrize(("folds", "share"), [(0, 1.0), (1, 1.0), (2, 0.5), (5, 0.8), (10, 0.9)])
def test_folds_count_as_one_less(folds: int, share: float) -> None:
    assert independent_share(folds) == pytest.approx(share)


def test_dependence_widens() -> None:
    alone, shared = proportion(27, 30, 0.95), proportion(27, 30, 0.95, share=0.8)
    assert shared.low < alone.low
    assert shared.high > alone.high
    assert shared.images == 30


def test_a_proportion_in_the_bootstrap_is_the_exact_interval() -> None:
    hits = np.arange(40) < 34
    weights = np.random.default_rng(0).exponential(size=(4000, 40))
    draws = weights @ hits / weights.sum(axis=1)
    estimate, exact = resampled(0.85, draws, 40, 0.95), proportion(34, 40, 0.95)
    assert (estimate.low, estimate.high) == pytest.approx((exact.low, exact.high), abs=0.01)


def test_a_figure_that_varies_more_is_less_sure() -> None:
    draws = np.array([0.6, 1.0] * 50)
    wide, narrow = resampled(0.8, draws, 100, 0.95), resampled(0.8, np.full(100, 0.8), 100, 0.95)
    assert wide.low < narrow.low
    assert wide.high > narrow.high


def test_a_perfect_figure_keeps_a_width() -> None:
    estimate = resampled(1.0, np.ones(50), 10, 0.95)
    assert estimate.low == pytest.approx(proportion(10, 10, 0.95).low)


@pytest.mark.parametrize("rate", [0.7, 0.9, 0.97])
@pytest.mark.parametrize("images", [10, 30, 100])
def test_covers_the_true_rate(rate: float, images: int) -> None:
    draws = np.random.default_rng(1).binomial(images, rate, size=400)
    ends = {count: clopper_pearson(count, images, 0.95) for count in np.unique(draws).tolist()}
    covered = np.mean([ends[count][0] <= rate <= ends[count][1] for count in draws.tolist()])
    assert 0.94 <= covered <= 1.0


@pytest.mark.parametrize(
    ("truth", "folds", "share"),
    [
        ([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 1, 0, 1], 0.5),
        ([[1], [1], [1], [1], [1]], [0, 1, 2, 3, 4], 0.8),
        ([[1, 0], [1, 0], [1, 0], [1, 1]], [0, 0, 1, 1], 0.4),  # of four photos a half, of one none
        ([[1, 1], [1, 1], [0, 0]], [0, 1, 2], 0.5),  # photos without tags say nothing
        ([[0], [0]], [0, 1], 0.5),  # no tag at all: what folds say
    ],
)
def test_what_was_learned_of_a_tag(truth: list[list[int]], folds: list[int], share: float) -> None:
    assert learned_share(np.array(truth, bool), np.array(folds, np.int32)) == pytest.approx(share)


def test_what_the_final_model_has_learned_more_raises_the_upper_end_alone() -> None:
    same, less = proportion(20, 40, 0.95), proportion(20, 40, 0.95, learned=0.64)
    assert (less.value, less.low) == (same.value, same.low)
    assert less.high is not None
    assert same.high is not None
    assert 1 - less.high == pytest.approx(0.8 * (1 - same.high), abs=1e-5)


@pytest.mark.parametrize(("wrong", "certain"), [(0, True), (1, True), (2, True), (3, False), (20, False)])
def test_less_than_half_an_image_is_none(wrong: int, certain: bool) -> None:
    assert (proportion(40 - wrong, 40, 0.95).high == 1) == certain
    assert (proportion(wrong, 40, 0.95).low == 0) == certain
