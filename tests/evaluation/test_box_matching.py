from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dahlia.evaluation.detection.matching import NONE, matched, tabulated
from generated_boxes import Written, generated, written


def right(truth: list[Written], found: list[Written], overlap: float = 0.5) -> list[bool]:
    """Of each found box, those of the highest score first."""
    table = tabulated(written(truth, found))
    return (matched(table, overlap) != NONE).tolist()


BOX = (0, 0.1, 0.1, 0.4, 0.4)


def test_a_box_needs_the_tag_and_the_place() -> None:
    found = [(*BOX, 0.9), (1, *BOX[1:], 0.8), (0, 0.6, 0.6, 0.2, 0.2, 0.7)]
    assert right([[BOX]], [found]) == [True, False, False]


def test_each_true_box_is_found_once_and_the_surest_has_it() -> None:
    exact, shifted = (*BOX, 0.6), (0, 0.12, 0.1, 0.4, 0.4, 0.9)
    assert right([[BOX]], [[shifted, exact]]) == [True, False]


def test_a_box_takes_the_true_one_that_it_overlaps_most() -> None:
    near = (0, 0.14, 0.1, 0.4, 0.4)
    table = tabulated(written([[BOX, near]], [[(0, 0.13, 0.1, 0.4, 0.4, 0.9), (*BOX, 0.8)]]))
    assert matched(table, 0.5).tolist() == [1, 0]


def test_where_its_best_is_taken_it_takes_the_next() -> None:
    near = (0, 0.14, 0.1, 0.4, 0.4)
    table = tabulated(written([[BOX, near]], [[(*BOX, 0.9), (*BOX, 0.8)]]))
    assert matched(table, 0.5).tolist() == [0, 1]
    assert matched(table, 0.95).tolist() == [0, NONE]


@pytest.mark.parametrize(("overlap", "is_right"), [(0.5, True), (0.51, False)])
def test_exactly_the_overlap_is_enough(overlap: float, is_right: bool) -> None:
    half = (0, 0.1, 0.1, 0.4, 0.2, 0.9)
    assert right([[BOX]], [[half]], overlap) == [is_right]


def test_boxes_of_other_photos_are_elsewhere() -> None:
    assert right([[BOX], []], [[], [(*BOX, 0.9)]]) == [False]


def test_boxes_without_area_overlap_nothing() -> None:
    assert right([[(0, 0.1, 0.1, 0.0, 0.4)]], [[(0, 0.1, 0.1, 0.0, 0.4, 0.9)]]) == [False]


def test_what_is_right_does_not_depend_on_lower_scores() -> None:
    predictions = generated(photos=30, per_photo=5, clutter=8)
    table = tabulated(predictions)
    partners = matched(table, 0.5)
    above = tuple(found.where(found.scores >= 0.4) for found in predictions.found)
    scores = tuple(one.scores for one in above)
    rest = tabulated(replace(predictions, found=above, uncalibrated=scores))
    assert matched(rest, 0.5).tolist() == partners[: len(rest.score)].tolist()


def test_the_table_is_in_falling_order_of_scores() -> None:
    table = tabulated(generated(photos=20, clutter=8))
    assert (np.diff(table.score) <= 0).all()
    assert (np.diff(table.pair_found) >= 0).all()


def test_photos_without_any_box() -> None:
    table = tabulated(written([[], []], [[], []]))
    assert matched(table, 0.5).shape == (0,)
    assert table.place.shape == (0, 4)
