"""Random changes: every name that a domain may use, and what it keeps."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from dahlia.params import RecipeParams
from dahlia.training.fine_tuning.augmentation import Augmentation

(_ALLOWED,) = get_args(RecipeParams.model_fields["augmentation"].annotation)
NAMES = get_args(_ALLOWED)


def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_gives_what_the_network_reads(name: str) -> None:
    change = Augmentation([name], 32, seed=1)
    changed = [change(photo()) for _ in range(8)]
    assert {image.shape for image in changed} == {(32, 32, 3)}
    assert {image.dtype for image in changed} == {np.dtype(np.uint8)}
    assert any(not np.array_equal(changed[0], image) for image in changed)


def test_a_seed_repeats_itself() -> None:
    names = ["mirror", "crop", "colour"]
    one, two = (Augmentation(names, 32, seed=7) for _ in range(2))
    assert all(np.array_equal(one(photo()), two(photo())) for _ in range(5))


def test_light_keeps_grey_grey() -> None:
    grey = np.full((40, 40, 3), 120, np.uint8)
    change = Augmentation(["light"], 32, seed=3)
    for _ in range(10):
        changed = change(grey).astype(int)
        assert np.ptp(changed, axis=2).max() <= 1


def test_a_key_decides() -> None:
    change, other = (Augmentation(["mirror", "crop", "colour"], 32, seed=7) for _ in range(2))
    other(photo())

    def changed(change: Augmentation, *key: int) -> np.ndarray:
        change.reseed(*key)
        return change(photo())

    assert np.array_equal(changed(change, 3, 4), changed(other, 3, 4))
    assert not np.array_equal(changed(change, 3, 4), changed(change, 3, 5))


def test_changes_have_chances_of_their_own() -> None:
    change = Augmentation(["mirror", "rotate"], 32, seed=0)
    draws = []
    for number in range(200):
        change.reseed(number)
        draws.append([one.py_random.random() for one in change.compose.transforms])
    assert abs(np.corrcoef(np.array(draws).T)[0, 1]) < 0.2
