"""What fewer photos would have given: who is drawn, who judges, and what is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from dahlia.modeling.predictions import FoldOutcomes, LearningCurve
from dahlia.training.learning_curve import SHARES, measure_learning_curve
from dahlia.training.quick import QuickResult, train_quick

Features = npt.NDArray[np.float32]
Truth = npt.NDArray[np.bool_]
Folds = npt.NDArray[np.int32]
KINDS = pytest.mark.parametrize("classification", ["multiclass", "multilabel"])


def clouds(counts: tuple[int, ...], apart: float = 1.0, size: int = 40) -> tuple[Features, Truth, Folds]:
    """A cloud of unit vectors per tag, `apart` from each other, spread over five folds."""
    rng = np.random.default_rng(0)
    tags = np.repeat(np.arange(len(counts)), counts)
    features = rng.normal(size=(len(tags), size)) + apart * rng.normal(size=(len(counts), size))[tags]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    folds = np.concatenate([(np.arange(count) + number) % 5 for number, count in enumerate(counts)])
    return features.astype(np.float32), np.eye(len(counts), dtype=bool)[tags], folds.astype(np.int32)


def quick_of(views: list[Features], truth: Truth, folds: Folds, classification: str) -> QuickResult:
    return train_quick(views, truth, folds, kind=classification, strengths=[1e-3, 1e-4], max_iterations=60)


def measured(
    views: list[Features],
    truth: Truth,
    folds: Folds,
    classification: str = "multiclass",
    quick: QuickResult | None = None,
    seed: int = 0,
) -> LearningCurve:
    return measure_learning_curve(
        views,
        truth,
        folds,
        quick or quick_of(views, truth, folds, classification),
        tags=[f"tag {number}" for number in range(truth.shape[1])],
        kind=classification,
        max_iterations=60,
        seed=seed,
    )


def rates(folds: tuple[FoldOutcomes, ...]) -> list[float]:
    ways = [(way, count) for fold in folds for way, count in fold.outcomes.items()]
    images = sum(count for _, count in ways)
    return [sum(count for way, count in ways if way[at] == "1") / images for at in range(len(SHARES) + 1)]


@KINDS
def test_the_last_point_is_the_held_out_figure(classification: str) -> None:
    features, truth, folds = clouds((30, 30, 30), apart=0.4)
    views = [features, features + np.float32(0.01)]
    quick = quick_of(views, truth, folds, classification)
    curve = measured(views, truth, folds, classification, quick)
    if classification == "multiclass":
        right = quick.probabilities.argmax(1) == truth.argmax(1)
    else:
        right = ((quick.probabilities >= 0.5) == truth).all(1)
    assert rates(curve.whole)[-1] == pytest.approx(right.mean())
    assert curve.shares == (0.25, 0.5, 0.75, 1.0)
    for fold in curve.whole:
        assert sum(fold.outcomes.values()) == (folds == fold.fold).sum()


def test_more_photos_of_a_hard_task_help_and_of_an_easy_one_do_not() -> None:
    hard = rates(measured([(hard := clouds((60, 60, 60), apart=0.35))[0]], *hard[1:]).whole)
    assert hard[-1] > hard[0] + 0.1
    easy = rates(measured([(easy := clouds((60, 60, 60), apart=3.0))[0]], *easy[1:]).whole)
    assert easy == [1.0] * 4


def test_a_fold_has_no_say_in_what_judges_it() -> None:
    features, truth, folds = clouds((30, 30), apart=0.4)
    quick = quick_of([features], truth, folds, "multiclass")
    before = measured([features], truth, folds, quick=quick)
    turned = truth.copy()
    turned[folds == 2] = truth[folds == 2][:, ::-1]
    after = measured([features], turned, folds, quick=quick)
    # Of two tags: the same answers are now right where they were wrong.
    swap = str.maketrans("01", "10")
    expected = {way.translate(swap): count for way, count in before.whole[2].outcomes.items()}
    assert after.whole[2].outcomes == expected
    assert after.whole[0] != before.whole[0]


def test_every_share_has_its_part_of_every_tag() -> None:
    features, truth, folds = clouds((40, 12, 7))
    curve = measured([features], truth, folds)
    for tag, parts in enumerate(curve.by_tag):
        for part in parts:
            pool = int((truth[:, tag] & (folds != part.fold)).sum())
            assert part.learned == (-(-pool // 4), -(-pool // 2), -(-3 * pool // 4), pool)
            assert sum(part.outcomes.values()) == (truth[:, tag] & (folds == part.fold)).sum()


@KINDS
def test_five_photos_a_tag(classification: str) -> None:
    features, truth, folds = clouds((5, 5))
    curve = measured([features], truth, folds, classification)
    assert all(part.learned == (1, 2, 3, 4) for parts in curve.by_tag for part in parts)


@KINDS
def test_a_tag_with_one_photo(classification: str) -> None:
    features, truth, folds = clouds((15, 15, 1))
    alone = measured([features], truth, folds, classification).by_tag[2]
    assert sum(sum(part.outcomes.values()) for part in alone) == 1
    assert {part.learned for part in alone} == {(0, 0, 0, 0), (1, 1, 1, 1)}
    assert rates(alone) == [0.0] * 4


def test_images_with_several_tags_and_with_none() -> None:
    features, truth, folds = clouds((20, 20, 20), apart=1.5)
    truth = truth | np.roll(truth, 7, axis=0)
    truth[40:] = False
    curve = measured([features], truth, folds, "multilabel")
    for part in curve.whole:
        pool = folds != part.fold
        for share, learned in zip(curve.shares, part.learned, strict=True):
            assert share * pool.sum() <= learned + 1e-9
        # Those without a tag are drawn too.
        tagged = int((pool & truth.any(1)).sum())
        assert part.learned[0] < tagged
    assert curve.classification == "multilabel"


def test_one_of_several_tags_is_right_where_tags_exclude_each_other() -> None:
    features, truth, folds = clouds((20, 20, 20), apart=1.5)
    truth = truth | np.roll(truth, 7, axis=0)
    quick = quick_of([features], truth, folds, "multiclass")
    right = truth[np.arange(len(truth)), quick.probabilities.argmax(1)]
    assert rates(measured([features], truth, folds, "multiclass", quick).whole)[-1] == right.mean()


@KINDS
def test_the_same_twice_and_another_draw_by_another_seed(classification: str) -> None:
    features, truth, folds = clouds((30, 30, 30), apart=0.3)
    quick = quick_of([features], truth, folds, classification)
    one, two = (measured([features], truth, folds, classification, quick) for _ in range(2))
    assert one.model_dump_json() == two.model_dump_json()
    assert measured([features], truth, folds, classification, quick, seed=1) != one


def test_temperature_has_no_say() -> None:
    features, truth, folds = clouds((20, 20), apart=0.4)
    quick = quick_of([features], truth, folds, "multilabel")
    other = replace(quick, temperature=5.0)
    assert measured([features], truth, folds, "multilabel", quick) == measured(
        [features], truth, folds, "multilabel", other
    )


def test_many_folds_are_fitted_in_several_banks() -> None:
    features, truth, _ = clouds((30, 30), apart=2.0)
    folds = (np.arange(60) % 30 % 10 + 3).astype(np.int32)
    curve = measured([features], truth, folds)
    assert [part.fold for part in curve.whole] == list(range(3, 13))
    assert min(rates(curve.whole)) > 0.9
