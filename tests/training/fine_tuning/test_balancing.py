from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from dahlia.training.fine_tuning.augmentation import seed_of
from dahlia.training.fine_tuning.sampling import Draws, repeat_factors


def tagged(*rows: str) -> np.ndarray:
    tags = sorted(set("".join(rows)))
    return np.array([[tag in row for tag in tags] for row in rows], bool).reshape(len(rows), len(tags))


@pytest.mark.parametrize(
    ("rows", "power", "expected"),
    [
        (["a", "a", "b", "b"], 0.5, [1, 1, 1, 1]),
        (["a"] * 9 + ["b"], 0.5, [1] * 9 + [5**0.5]),
        (["a"] * 9 + ["b"], 1.0, [1] * 9 + [5]),
        (["a"] * 9 + ["b"], 0.0, [1] * 10),
        (["a"] * 8 + ["ab", ""], 0.5, [1] * 8 + [5**0.5, 1]),  # as its rarest tag; none is no tag
        (["", ""], 0.5, [1, 1]),
    ],
)
def test_factors(rows: list[str], power: float, expected: list[float]) -> None:
    np.testing.assert_allclose(repeat_factors(tagged(*rows), power), expected)


def test_a_tag_without_image_changes_nothing() -> None:
    truth = np.array([[True, False], [True, False]])
    np.testing.assert_array_equal(repeat_factors(truth, 0.5), [1, 1])


def test_alike_photos_are_drawn_once_each() -> None:
    draws = Draws(np.ones(50), seed=3)
    for epoch in range(5):
        draws.set_epoch(epoch)
        keys = list(draws)
        assert sorted(photo for _, _, photo in keys) == list(range(50))
        assert [(e, p) for e, p, _ in keys] == [(epoch, position) for position in range(50)]
    assert len(draws) == 50


def test_fractions_even_out() -> None:
    factors = np.array([1.0, 1.0, 2.5, 1.3])
    draws, counts = Draws(factors, seed=0), Counter[int]()
    for epoch in range(400):
        draws.set_epoch(epoch)
        once = Counter(photo for _, _, photo in draws)
        assert sum(once.values()) == len(draws) == 6
        counts.update(once)
    mean = np.array([counts[photo] for photo in range(4)]) / 400
    np.testing.assert_allclose(mean, factors * 6 / factors.sum(), atol=0.06)


def test_order_is_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        draws = Draws(np.ones(30), seed)
        draws.set_epoch(epoch)
        return [photo for _, _, photo in draws]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


@pytest.mark.parametrize(("photos", "world"), [(8, 2), (9, 2), (10, 3), (2, 4)])
def test_devices_share_an_epoch(photos: int, world: int) -> None:
    parts = [Draws(np.ones(photos), 5, rank, world) for rank in range(world)]
    keys = [list(part) for part in parts]
    assert {len(part) for part in keys} == {len(parts[0])}
    assert {photo for part in keys for _, _, photo in part} == set(range(photos))
    assert len({position for part in keys for _, position, _ in part}) == sum(map(len, keys))


def test_every_number_of_a_seed_matters() -> None:
    assert len({seed_of(*key) for key in [(0,), (1,), (0, 1), (1, 0), (0, 0, 1), (0, 1, 1)]}) == 6
