"""The API's figures: those of the report, at any threshold."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
from performance_cases import predictions_of

from dahlia.dataset.manifest import TEST_FOLD
from dahlia.errors import EvaluationError
from dahlia.evaluation.metrics import Rules, measure
from dahlia.evaluation.resampling import draw_weights
from dahlia.modeling.predictions import ClassPredictions
from dahlia.server.iterations.figures import Score, fixed_figures_of, score

KINDS = ("multiclass", "multilabel")


def small(fold: tuple[int, ...] = (0, 0, 1, 1)) -> ClassPredictions:
    """Four images of two tags: the first three `rose`, the last `leaf`."""
    rose = np.array([0.9, 0.6, 0.4, 0.5])
    probabilities = np.stack([rose, 1 - rose], axis=1)
    truth = np.array([[True, False]] * 3 + [[False, True]])
    return ClassPredictions(
        tuple("abcd"),
        ("rose", "leaf"),
        "multiclass",
        np.array(fold, np.int32),
        truth,
        probabilities,
        probabilities,
    )


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_api_says_what_the_report_says(kind: str, threshold: float) -> None:
    predictions = predictions_of(120, 4, kind, test=20)
    held_out = predictions.held_out
    rules = Rules(threshold, 0.95, 1.0, draw_weights(2, len(held_out.ids), 0))
    overall, tags = measure(held_out, rules, negative_tag="tag 1")
    found = score(predictions, threshold)
    for ours, theirs in zip((*found.per_tag, found), (*tags, overall), strict=True):
        assert ours.precision == pytest.approx(theirs.precision.value or 0.0, rel=1e-5)
        assert ours.recall == pytest.approx(theirs.recall.value, rel=1e-5)
        assert ours.average_precision == pytest.approx(theirs.ap.value, rel=1e-5)
    assert [tag.tag for tag in found.per_tag] == [tag.tag for tag in tags]


FIGURES = {  # threshold: precision and recall of rose, of leaf, and overall
    0.0: ((3 / 4, 1.0), (1 / 4, 1.0), (4 / 8, 1.0)),
    0.5: ((2 / 3, 2 / 3), (1 / 2, 1.0), (3 / 5, 3 / 4)),
    0.6: ((1.0, 2 / 3), (0.0, 0.0), (2 / 3, 2 / 4)),
    0.61: ((1.0, 1 / 3), (0.0, 0.0), (1.0, 1 / 4)),
    1.0: ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
}


@pytest.mark.parametrize(("threshold", "figures"), FIGURES.items())
def test_counted_by_hand(threshold: float, figures: tuple[tuple[float, float], ...]) -> None:
    found = score(small(), threshold)
    assert [(one.precision, one.recall) for one in (*found.per_tag, found)] == [
        pytest.approx(f) for f in figures
    ]


def test_deviations_are_those_between_the_folds() -> None:
    # At 0.5 rose: fold 0 has 2 of 2 right and finds 2 of 2; fold 1 has 0 of 1 right and finds 0 of 1.
    rose, leaf = score(small(), 0.5).per_tag
    assert (rose.precision_std, rose.recall_std) == pytest.approx((0.5, 0.5))
    # leaf is predicted in fold 1 alone, and only fold 1 has it.
    assert (leaf.precision_std, leaf.recall_std) == (0.0, 0.0)
    # Overall: fold 0 has 2 of 2, fold 1 has 1 of 3; found are 2 of 2 and 1 of 2.
    found = score(small(), 0.5)
    assert (found.precision_std, found.recall_std) == pytest.approx((1 / 3, 1 / 4))


def test_one_fold_deviates_from_nothing() -> None:
    found = score(predictions_of(60, 3, folds=1), 0.5)
    assert {one.precision_std for one in (*found.per_tag, found)} == {0.0}
    assert {one.recall_std for one in (*found.per_tag, found)} == {0.0}


def test_deviations_agree_with_folds_judged_apart() -> None:
    predictions = predictions_of(90, 4, "multilabel", folds=5)
    apart = [score(predictions.where(predictions.fold == fold), 0.4) for fold in range(5)]
    found = score(predictions, 0.4)
    assert found.precision_std == pytest.approx(np.std([one.precision for one in apart]))
    assert found.per_tag[2].recall_std == pytest.approx(np.std([one.per_tag[2].recall for one in apart]))


def test_the_test_set_does_not_count() -> None:
    predictions = predictions_of(80, 3, test=30)
    assert score(predictions, 0.4) == score(predictions.held_out, 0.4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_images_does_not_count(kind: str) -> None:
    predictions = predictions_of(80, 3, kind)
    order = np.random.default_rng(1).permutation(80)
    mixed = dataclasses.replace(
        predictions,
        ids=tuple(predictions.ids[row] for row in order),
        fold=predictions.fold[order],
        truth=predictions.truth[order],
        probabilities=predictions.probabilities[order],
    )
    assert score(mixed, 0.4) == score(predictions, 0.4)


def test_many_images_are_counted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions = predictions_of(100, 3, "multilabel")
    whole = score(predictions, 0.4)
    monkeypatch.setattr("dahlia.server.iterations.figures._CELLS_AT_ONCE", 21)
    assert score(predictions, 0.4) == whole


def test_a_tag_without_images_is_zero_and_no_part_of_the_mean() -> None:
    predictions = predictions_of(60, 3, "multilabel")
    truth = predictions.truth.copy()
    truth[:, 1] = False
    found = score(dataclasses.replace(predictions, truth=truth), 0.4)
    first, bare, last = found.per_tag
    assert (bare.precision, bare.recall, bare.recall_std, bare.average_precision) == (0.0, 0.0, 0.0, 0.0)
    assert found.average_precision == pytest.approx((first.average_precision + last.average_precision) / 2)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_nothing_is_ever_undefined(threshold: float) -> None:
    predictions = predictions_of(12, 3, "multilabel")
    bare = dataclasses.replace(predictions, truth=np.zeros_like(predictions.truth))
    for found in (score(predictions, threshold), score(bare, threshold)):
        assert all(math.isfinite(value) and 0 <= value <= 1 for value in numbers(found))


def test_a_standing_saves_work_and_changes_nothing() -> None:
    predictions = predictions_of(60, 3)
    fixed = fixed_figures_of(predictions)
    assert score(predictions, 0.3, fixed) == score(predictions, 0.3)
    assert fixed.actual.sum() == 60


@pytest.mark.parametrize("threshold", [-0.01, 1.01, math.nan, math.inf])
def test_thresholds_that_are_none(threshold: float) -> None:
    with pytest.raises(EvaluationError, match="between 0 and 1, received"):
        score(small(), threshold)


def test_predictions_of_no_held_out_image() -> None:
    with pytest.raises(EvaluationError, match="no held-out predictions"):
        score(small((TEST_FOLD,) * 4), 0.5)


def test_judging_loads_nothing_heavy() -> None:
    script = (
        "import sys, numpy as np\n"
        "from dahlia.modeling.predictions import ClassPredictions\n"
        "from dahlia.boxes import no_boxes\n"
        "from dahlia.modeling.box_predictions import BoxPredictions\n"
        "from dahlia.server.iterations.held_out import HeldOutBoxes, HeldOutTags\n"
        "eye, fold = np.eye(2), np.zeros(2, 'i4')\n"
        "p = ClassPredictions(('a', 'b'), ('x', 'y'), 'multiclass', fold, eye > 0, eye, eye)\n"
        "HeldOutTags(p).score(0.5, 0.3)\n"
        "none = (no_boxes(),) * 2\n"
        "b = BoxPredictions(('a', 'b'), ('x', 'y'), fold, none, none, (none[0].scores,) * 2)\n"
        "HeldOutBoxes(b).score(0.5, 0.3)\n"
        "sys.exit(any(n in sys.modules for n in ('torch', 'sklearn', 'pandas', 'scipy', 'mlflow')))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", script]).returncode == 0


def numbers(found: Score) -> list[float]:
    parts = [dataclasses.asdict(one) for one in (*found.per_tag, found)]
    return [value for part in parts for value in part.values() if isinstance(value, float)]


def test_deviations_are_those_between_five_folds() -> None:
    found = predictions_of(120, 4, "multiclass", test=20)
    rows = np.arange(len(found.ids))
    tested = found.fold == TEST_FOLD
    of_five, of_ten = (
        dataclasses.replace(found, fold=np.where(tested, TEST_FOLD, rows % folds).astype(np.int32))
        for folds in (5, 10)
    )
    assert score(of_ten, 0.4) == score(of_five, 0.4)
