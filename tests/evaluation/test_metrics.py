from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from dahlia.evaluation.metrics import MAX_POINTS, Rules, curves, measure
from dahlia.evaluation.resampling import draw_weights
from dahlia.modeling.predictions import ClassPredictions

Make = Callable[..., ClassPredictions]


def rules_for(predictions: ClassPredictions, threshold: float = 0.5, share: float = 1.0) -> Rules:
    return Rules(threshold, 0.95, share, draw_weights(400, len(predictions.ids), 0))


@pytest.fixture
def five(written: Make) -> ClassPredictions:
    """Of tag a: one found, one missed below the threshold. Of b: two found, one taken for a."""
    return written([[0], [0], [1], [1], [1]], [[0.9, 0.1], [0.45, 0.55], [0.2, 0.8], [0.5, 0.5], [0.4, 0.6]])


def test_counts_by_hand(five: ClassPredictions) -> None:
    overall, (a, b) = measure(five, rules_for(five), None)
    assert (a.positives, a.predicted, a.correct) == (2, 2, 1)
    assert (b.positives, b.predicted, b.correct) == (3, 4, 3)
    assert (a.precision.value, a.recall.value, a.f1.value) == (0.5, 0.5, 0.5)
    assert (b.precision.value, b.recall.value) == (0.75, 1.0)
    assert b.f1.value == pytest.approx(6 / 7, abs=1e-6)
    assert overall.precision.value == pytest.approx(4 / 6, abs=1e-6)
    assert overall.recall.value == pytest.approx(4 / 5)
    assert overall.macro_precision.value == pytest.approx((0.5 + 0.75) / 2)
    assert overall.macro_recall.value == pytest.approx(0.75)


def test_average_precision_by_hand(five: ClassPredictions) -> None:
    _, (a, _) = measure(five, rules_for(five), None)
    # ranks: 0.9 is a, 0.5 is not, 0.45 is a: (1/1 + 2/3) / 2
    assert a.ap.value == pytest.approx((1 + 2 / 3) / 2, abs=1e-6)


def test_equal_probabilities_go_to_the_first_tag(five: ClassPredictions) -> None:
    overall, _ = measure(five, rules_for(five), None)
    assert (overall.correct, overall.images, overall.accuracy.value) == (3, 5, 0.6)


@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_agrees_with_scikit_learn(generated: Make, classification: str, threshold: float) -> None:
    predictions = generated(90, classification=classification, wrong=8)
    truth, chances = predictions.truth, predictions.probabilities
    chosen = chances >= threshold
    overall, tags = measure(predictions, rules_for(predictions, threshold), None)
    expected = {
        "precision": precision_score(truth, chosen, average="micro"),
        "recall": recall_score(truth, chosen, average="micro"),
        "f1": f1_score(truth, chosen, average="micro"),
        "macro_precision": precision_score(truth, chosen, average="macro"),
        "macro_recall": recall_score(truth, chosen, average="macro"),
        "macro_f1": f1_score(truth, chosen, average="macro"),
        "ap": average_precision_score(truth, chances, average="macro"),
    }
    for name, value in expected.items():
        assert getattr(overall, name).value == pytest.approx(value, rel=1e-5), name
    aucs = roc_auc_score(truth, chances, average=None)
    assert [tag.auc for tag in tags] == pytest.approx(aucs, rel=1e-5)


def test_every_interval_holds_its_figure_and_has_a_width(generated: Make) -> None:
    for strength in (0.5, 3.0, 40.0):
        predictions = generated(30, strength=strength, wrong=0)
        overall, tags = measure(predictions, rules_for(predictions), None)
        names = ("precision", "recall", "f1", "ap")
        estimates = [getattr(part, name) for part in (overall, *tags) for name in names]
        for each in [*estimates, overall.accuracy]:
            if each.value is not None:
                assert 0 <= each.low <= each.value <= each.high <= 1
                assert each.high - each.low > 0.02


def test_a_perfect_tag_is_not_certain(generated: Make) -> None:
    predictions = generated(30, strength=40.0, wrong=0)
    overall, tags = measure(predictions, rules_for(predictions), None)
    assert all(tag.ap.value == 1 and tag.ap.low < 0.75 for tag in tags)
    assert overall.ap.value == 1
    assert overall.ap.low < 0.9


def test_a_tag_that_is_never_predicted_has_no_precision(written: Make) -> None:
    predictions = written([[0], [1], [2]], [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.4, 0.3, 0.3]])
    overall, tags = measure(predictions, rules_for(predictions), None)
    assert tags[2].precision.value is None
    assert tags[2].precision.images == 0
    assert (tags[2].recall.value, tags[2].f1.value) == (0, 0)
    assert overall.macro_precision.value == 1


def test_a_tag_without_images_has_no_figures(written: Make) -> None:
    predictions = written([[0], [1]], [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    overall, tags = measure(predictions, rules_for(predictions), None)
    assert [tags[2].recall.value, tags[2].f1.value, tags[2].ap.value, tags[2].auc] == [None] * 4
    assert overall.ap.value == 1


def test_a_tag_of_every_image_has_no_roc(written: Make) -> None:
    predictions = written([[0], [0]], [[0.6, 0.4], [0.7, 0.3]])
    assert measure(predictions, rules_for(predictions), None)[1][0].auc is None


def test_no_prediction_at_all(written: Make) -> None:
    predictions = written([[0], []], [[0.1], [0.2]], "multilabel")
    overall, _ = measure(predictions, rules_for(predictions), None)
    assert overall.precision.value is None
    assert overall.recall.value == 0
    assert overall.correct == 1


def test_marks_the_negative_tag(five: ClassPredictions) -> None:
    assert [tag.negative for tag in measure(five, rules_for(five), "b")[1]] == [False, True]


@pytest.mark.slow
def test_average_precision_is_covered(generated: Make) -> None:
    """The interval at 30 images against the AP of 30,000 drawn alike."""
    true = [
        tag.ap.value for tag in measure(*_with_rules(generated(30_000, wrong=0, strength=1.5), 2), None)[1]
    ]
    hits = []
    for seed in range(120):
        predictions = generated(90, wrong=0, strength=1.5, seed=seed + 1)
        _, tags = measure(predictions, rules_for(predictions), None)
        hits += [tag.ap.low <= value <= tag.ap.high for tag, value in zip(tags, true, strict=True)]
    assert 0.92 <= np.mean(hits) <= 1.0


@pytest.mark.slow
def test_f1_is_covered(generated: Make) -> None:
    true = measure(*_with_rules(generated(30_000, wrong=0, strength=1.5), 2), None)[1][0].f1.value
    hits = []
    for seed in range(150):
        predictions = generated(90, wrong=0, strength=1.5, seed=seed + 1)
        estimate = measure(predictions, rules_for(predictions), None)[1][0].f1
        hits.append(estimate.low <= true <= estimate.high)
    assert 0.9 <= np.mean(hits) <= 1.0


def _with_rules(predictions: ClassPredictions, draws: int) -> tuple[ClassPredictions, Rules]:
    return predictions, Rules(0.5, 0.95, 1.0, draw_weights(draws, len(predictions.ids), 0))


def test_the_steps_hold_the_average_precision(generated: Make) -> None:
    predictions = generated(60, wrong=6)
    for column, curve in enumerate(curves(predictions)):
        area = np.sum(np.diff(curve.recall, prepend=0) * np.array(curve.precision))
        expected = average_precision_score(predictions.truth[:, column], predictions.probabilities[:, column])
        assert area == pytest.approx(expected, abs=1e-5)


def test_curves_run_by_falling_threshold(generated: Make) -> None:
    for curve in curves(generated(60, wrong=6)):
        assert list(curve.recall) == sorted(curve.recall)
        assert list(curve.false_positive_rate) == sorted(curve.false_positive_rate)
        assert (curve.false_positive_rate[0], curve.true_positive_rate[-1]) == (0, 1)


@pytest.mark.parametrize(
    ("truth", "points", "roc_points"),
    [([[], []], 0, 0), ([[0], [0]], 2, 0)],
    ids=["no positives", "no negatives"],
)
def test_what_is_not_defined_is_empty(
    written: Make, truth: list[list[int]], points: int, roc_points: int
) -> None:
    (curve,) = curves(written(truth, [[0.2], [0.7]], "multilabel"))
    assert (len(curve.recall), len(curve.false_positive_rate)) == (points, roc_points)


def test_long_curves_are_thinned(generated: Make) -> None:
    for curve in curves(generated(3000, strength=0.5)):
        assert len(curve.recall) == len(curve.precision) == MAX_POINTS
        assert curve.recall[-1] == 1
