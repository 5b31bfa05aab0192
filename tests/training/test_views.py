from __future__ import annotations

from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest

from dahlia.params import RecipeParams
from dahlia.training.photo_views import VIEWS

Image = npt.NDArray[np.uint8]
NAMED = pytest.mark.parametrize("name", VIEWS)


def photo(height: int = 40, width: int = 60) -> Image:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_the_parameters_name_these_views() -> None:
    (words,) = get_args(RecipeParams.model_fields["views"].annotation)
    assert set(get_args(words)) == set(VIEWS)


@NAMED
@pytest.mark.parametrize("shape", [(40, 60), (61, 33), (1, 1), (2, 200), (5, 5)])
def test_a_view_is_a_photo(name: str, shape: tuple[int, int]) -> None:
    image = photo(*shape)
    before = image.copy()
    seen = VIEWS[name](image)
    assert seen.dtype == np.uint8
    assert seen.ndim == 3
    assert seen.shape[2] == 3
    assert min(seen.shape) > 0
    assert np.array_equal(image, before)


@NAMED
def test_a_view_is_the_same_every_time(name: str) -> None:
    assert np.array_equal(VIEWS[name](photo()), VIEWS[name](photo()))


def test_all_views_differ() -> None:
    seen = [VIEWS[name](photo()).tobytes() for name in VIEWS]
    assert len(set(seen)) == len(VIEWS)


def test_plain_changes_nothing() -> None:
    assert np.array_equal(VIEWS["plain"](photo()), photo())


def test_mirror_is_left_and_right_and_its_own_inverse() -> None:
    seen = VIEWS["mirror"](photo())
    assert np.array_equal(seen[:, 0], photo()[:, -1])
    assert np.array_equal(VIEWS["mirror"](seen), photo())


@pytest.mark.parametrize("name", ["zoom", "zoom_mirror"])
def test_zoom_leaves_the_middle(name: str) -> None:
    seen = VIEWS[name](photo())
    assert seen.shape == (32, 48, 3)
    middle = photo()[4:36, 6:54]
    assert np.array_equal(seen, middle[:, ::-1] if name == "zoom_mirror" else middle)


def test_dim_darkens_and_keeps_black() -> None:
    seen = VIEWS["dim"](photo())
    assert (seen <= photo()).all()
    assert seen.mean() == pytest.approx(photo().mean() * 0.6, rel=0.02)
    assert VIEWS["dim"](np.zeros((4, 4, 3), np.uint8)).max() == 0


def test_tilt_has_no_empty_corners() -> None:
    assert (VIEWS["tilt"](np.full((40, 60, 3), 200, np.uint8)) == 200).all()
