"""Boxes: their overlaps against a loop, and suppression against a slow reference."""

import numpy as np
import pytest

from dahlia.boxes import Boxes, no_boxes, overlaps, suppressed


def _random(count: int, seed: int, tags: int = 3) -> Boxes:
    random = np.random.default_rng(seed)
    sizes = random.uniform(0.05, 0.4, (count, 2))
    corners = random.uniform(0, 1 - sizes)
    places = np.concatenate([corners, sizes], 1).astype(np.float32)
    scores = random.uniform(0, 1, count).round(2).astype(np.float32)
    return Boxes(random.integers(0, tags, count).astype(np.int32), places, scores)


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def test_overlaps_are_those_of_a_loop() -> None:
    first, second = _random(20, 0).places, _random(30, 1).places
    expected = [[_overlap(one, other) for other in second] for one in first]
    np.testing.assert_allclose(overlaps(first, second), expected, atol=1e-6)


def test_boxes_without_area_overlap_nothing() -> None:
    point = np.array([[0.5, 0.5, 0, 0]], np.float32)
    assert overlaps(point, point).tolist() == [[0.0]]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("count", "most"), [(40, 25), (80, 25), (400, 150)])
def test_suppression_is_that_of_a_slow_reference(count: int, most: int, seed: int) -> None:
    boxes = _random(count, seed)
    order = sorted(range(count), key=lambda row: (-boxes.scores[row], row))
    kept: list[int] = []
    for row in order:
        if boxes.scores[row] < 0.2:
            continue
        rivals = [one for one in kept if boxes.tags[one] == boxes.tags[row]]
        if all(_overlap(boxes.places[one], boxes.places[row]) <= 0.3 for one in rivals):
            kept.append(row)
    found = suppressed(boxes, overlap=0.3, least=0.2, most=most)
    assert found.places.tolist() == boxes.places[kept[:most]].tolist()
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)


def test_other_tags_suppress_nothing() -> None:
    place = np.array([[0.1, 0.1, 0.5, 0.5]] * 3, np.float32)
    boxes = Boxes(np.array([0, 1, 0], np.int32), place, np.array([0.5, 0.4, 0.9], np.float32))
    assert suppressed(boxes, 0.5, 0.0, 10).tags.tolist() == [0, 1]


def test_nothing_stays_of_nothing() -> None:
    assert len(suppressed(no_boxes(), 0.5, 0.0, 10)) == 0
