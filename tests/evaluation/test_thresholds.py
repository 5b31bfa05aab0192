from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dahlia.evaluation.resampling import choose, draw_weights, recommend
from dahlia.modeling.predictions import ClassPredictions

Make = Callable[..., ClassPredictions]


def chosen(positives: list[float], negatives: list[float], default: float = 0.5) -> float:
    scores = np.array([*positives, *negatives])
    truth = np.arange(len(scores)) < len(positives)
    return choose(truth, scores, default, draw_weights(200, len(scores), 0))


def test_the_usual_threshold_stays_where_it_is_as_good() -> None:
    assert chosen([0.9, 0.8, 0.7], [0.3, 0.2, 0.1]) == 0.5


def test_a_clear_gap_elsewhere_is_split_in_the_middle() -> None:
    low = np.linspace(0.30, 0.45, 12).tolist()
    assert chosen(low, np.linspace(0.01, 0.10, 12).tolist()) == pytest.approx(0.2)


def test_one_image_does_not_move_it_far() -> None:
    positives = [0.95, 0.9, 0.85, 0.8, 0.48]
    assert chosen(positives, [0.4, 0.3, 0.2, 0.1, 0.05]) > 0.4


@pytest.mark.parametrize(("positives", "negatives"), [([0.2, 0.3], []), ([], [0.7, 0.9])])
def test_one_sided_tags_keep_the_usual(positives: list[float], negatives: list[float]) -> None:
    assert chosen(positives, negatives) == 0.5


def test_equal_scores_are_not_parted() -> None:
    assert chosen([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]) in (0.5, 0.25)


def test_figures_come_from_the_other_folds(written: Make) -> None:
    # fold 0 alone would choose about 0.2, fold 1 alone stays at 0.5
    low = [[0.3 + 0.01 * i, 0.7 - 0.01 * i] for i in range(6)] + [[0.05, 0.95]] * 6
    high = [[0.9, 0.1]] * 6 + [[0.25, 0.75]] * 6
    truth = [[0]] * 6 + [[1]] * 6
    predictions = written(truth * 2, low + high, fold=[0] * 12 + [1] * 12)
    a = recommend(predictions, 0.5, draw_weights(200, 24, 0))[0]
    assert a.recall == pytest.approx(0.5)
    assert a.precision == pytest.approx(0.5)


def test_no_positives_give_no_figures(written: Make) -> None:
    predictions = written([[], []], [[0.1], [0.2]], "multilabel")
    (only,) = recommend(predictions, 0.5, draw_weights(10, 2, 0))
    assert (only.threshold, only.f1, only.precision, only.recall) == (0.5, None, None, None)
