from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from dahlia.evaluation.curves import MAX_POINTS, curves
from dahlia.modeling.predictions import ClassPredictions

Make = Callable[..., ClassPredictions]


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
