from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from dahlia.evaluation.resampling import average_precisions, draw_weights


@pytest.mark.parametrize("decimals", [1, 6], ids=["many ties", "no ties"])
def test_weighted_average_precision_is_that_of_scikit_learn(decimals: int) -> None:
    draw = np.random.default_rng(3)
    truth, scores = draw.random(50) < 0.3, draw.random(50).round(decimals)
    weights = draw_weights(20, 50, seed=1)
    expected = [average_precision_score(truth, scores, sample_weight=row) for row in weights]
    assert average_precisions(truth, scores, weights) == pytest.approx(expected)


def test_the_same_seed_draws_the_same() -> None:
    assert np.array_equal(draw_weights(5, 7, seed=4), draw_weights(5, 7, seed=4))
    assert not np.array_equal(draw_weights(5, 7, seed=4), draw_weights(5, 7, seed=5))


def test_parts_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    truth, scores, weights = draw.random(30) < 0.5, draw.random(30), draw_weights(11, 30, seed=1)
    whole = average_precisions(truth, scores, weights)
    monkeypatch.setattr("dahlia.evaluation.resampling._VALUES_AT_ONCE", 60)
    assert np.array_equal(average_precisions(truth, scores, weights), whole)
