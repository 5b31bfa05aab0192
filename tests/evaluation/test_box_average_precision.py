from __future__ import annotations

import numpy as np
import pytest

import coco_reference
from dahlia.evaluation.detection.average_precision import (
    average_precision,
    mean_average_precision,
    ranking,
)
from dahlia.evaluation.detection.matching import matched, tabulated
from dahlia.evaluation.detection.weighted_precision import average_precisions, curve
from dahlia.evaluation.resampling import draw_weights
from dahlia.modeling.box_predictions import BoxPredictions
from generated_boxes import generated, written

BOX = (0, 0.1, 0.1, 0.4, 0.4)
FAR = (0, 0.7, 0.7, 0.2, 0.2)


def ap(predictions: BoxPredictions, tag: int = 0, overlap: float = 0.5) -> float | None:
    table = tabulated(predictions)
    return average_precision(ranking(table, matched(table, overlap), tag))


@pytest.mark.parametrize("overlap", [0.3, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_definition_of_coco(seed: int, overlap: float) -> None:
    predictions = generated(photos=30, per_photo=4, skill=1.0, clutter=12, seed=seed)
    for tag in range(3):
        expected = coco_reference.average_precision(predictions, tag, overlap)
        assert ap(predictions, tag, overlap) == pytest.approx(expected, abs=1e-12)
    table = tabulated(predictions)
    expected = coco_reference.mean_average_precision(predictions, overlap)
    assert mean_average_precision(table, overlap) == pytest.approx(expected, abs=1e-12)


def test_weights_count_as_copies_of_photos() -> None:
    predictions = generated(photos=12, per_photo=3, skill=1.0, clutter=6, seed=5)
    copies = np.random.default_rng(0).integers(1, 4, 12)
    table = tabulated(predictions)
    weighted = average_precisions(ranking(table, matched(table, 0.5), 0), copies[None].astype(float))
    copied = predictions.where(np.repeat(np.arange(12), copies))
    copied_table = tabulated(copied)
    again = average_precision(ranking(copied_table, matched(copied_table, 0.5), 0))
    assert weighted[0] == pytest.approx(again, abs=1e-9)


def test_draws_lie_around_the_value() -> None:
    predictions = generated(photos=60, per_photo=3, skill=1.0, clutter=6)
    table = tabulated(predictions)
    ranked = ranking(table, matched(table, 0.5), 0)
    draws = average_precisions(ranked, draw_weights(300, 60, 0))
    value = average_precision(ranked)
    assert value is not None
    assert ((draws >= 0) & (draws <= 1)).all()
    assert abs(draws.mean() - value) < 2 * draws.std()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([(*BOX, 0.9), (*FAR, 0.8)], 1.0),
        ([(*BOX, 0.9)], 51 / 101),  # recalls 0 to 0.5
        ([(1, *BOX[1:], 0.95), (*BOX, 0.9), (*FAR, 0.8)], 1.0),  # another tag has no say
        ([(0, 0.4, 0.1, 0.4, 0.4, 0.95), (*BOX, 0.9), (*FAR, 0.8)], 2 / 3),
        ([], 0.0),
        ([(0, 0.4, 0.6, 0.1, 0.1, 0.9)], 0.0),
    ],
)
def test_written_cases(found: list[tuple[float, ...]], expected: float) -> None:
    assert ap(written([[BOX, FAR]], [found])) == pytest.approx(expected)


def test_a_tag_without_true_boxes_has_none() -> None:
    predictions = written([[BOX]], [[(1, *BOX[1:], 0.9)]])
    assert ap(predictions, 1) is None
    assert curve(ranking(tabulated(predictions), np.array([-1]), 1))[0].shape == (0,)


def test_equal_scores_are_one_step_whatever_the_order() -> None:
    photos = [([BOX], [(*BOX, 0.5)]), ([], [(*BOX, 0.5)]), ([BOX], [(*BOX, 0.5)])]
    for order in ([0, 1, 2], [1, 0, 2], [0, 2, 1]):
        turned = [photos[row] for row in order]
        given = ap(written([truth for truth, _ in turned], [found for _, found in turned]))
        assert given == pytest.approx(2 / 3)


def test_the_curve_falls_and_its_area_is_near_the_average_precision() -> None:
    predictions = generated(photos=60, per_photo=3, skill=1.0, clutter=10)
    table = tabulated(predictions)
    ranked = ranking(table, matched(table, 0.5), 1)
    recall, precision = curve(ranked)
    assert (np.diff(recall) > 0).all()
    assert (np.diff(precision) <= 1e-12).all()
    area = float((np.diff(recall, prepend=0) * precision).sum())
    assert area == pytest.approx(average_precision(ranked), abs=0.01)


def test_300_boxes_that_are_all_alike_in_one_photo() -> None:
    predictions = written([[BOX] * 300], [[(*BOX, 0.5 + row / 1000) for row in range(300)]])
    assert ap(predictions) == 1.0
    assert ap(predictions, overlap=0.95) == 1.0
