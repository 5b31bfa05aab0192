"""Views: boxes follow their pixels, folds are not mixed, and the same seed gives the same views."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dahlia.boxes import Boxes, no_boxes
from dahlia.params import ViewParams
from dahlia.training.detection.detection_data import join_folds
from dahlia.training.detection.schedule import WITHOUT_MOSAICS, draws, learning_rate, photo_weights
from dahlia.training.detection.views import LEAST_VISIBLE, Scene, mosaic, recoloured, single, visible

SIZE = 128
COLOUR = (250, 10, 10)


def params(**changed: Any) -> ViewParams:
    plain: dict[str, Any] = {
        "mirror": True,
        "zoom": [0.6, 1.6],
        "aspect": 1.2,
        "mosaic": 0.5,
        "mosaic_zoom": [0.45, 1.0],
        "colour": 0.0,
        "perspective": 0.0,
        "rotation": 0.0,
        "blur": 0.0,
    }
    return ViewParams(**plain | changed)


def scene(left: int = 60, top: int = 40, right: int = 110, bottom: int = 100) -> Scene:
    """A grey photo of 200 x 160 pixels with one red rectangle."""
    pixels = np.full((160, 200, 3), 100, np.uint8)
    pixels[top:bottom, left:right] = COLOUR
    return Scene(pixels, np.zeros(1, np.int32), np.array([[left, top, right, bottom]], np.float32))


def red(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Left, top, right and bottom of what is red."""
    rows, columns = np.nonzero(pixels[..., 0].astype(int) - pixels[..., 1] > 120)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("changed", [{}, {"zoom": [0.2, 0.3]}, {"perspective": 0.06, "rotation": 8.0}])
def test_boxes_follow_their_pixels(seed: int, changed: dict[str, Any]) -> None:
    view = single(scene(), SIZE, params(**changed), np.random.default_rng(seed))
    assert view.pixels.shape == (SIZE, SIZE, 3)
    if len(view.tags):
        np.testing.assert_allclose(view.corners[0], red(view.pixels), atol=2.0)


@pytest.mark.parametrize("seed", range(12))
def test_each_box_of_a_mosaic_is_where_its_pixels_are(seed: int) -> None:
    view = mosaic([scene()] * 4, SIZE, params(), np.random.default_rng(seed))
    covered = np.zeros((SIZE, SIZE), bool)
    for left, top, right, bottom in view.corners.round().astype(int):
        part = view.pixels[top + 2 : bottom - 2, left + 2 : right - 2]
        assert (part[..., 0].astype(int) - part[..., 1] > 120).all()
        covered[top:bottom, left:right] = True
    assert len(view.tags) <= 4


def test_little_of_a_box_is_no_box() -> None:
    corners = np.array([[0, 0, 100, 100], [-64, 0, 36, 100], [-66, 0, 34, 100]], np.float32)
    tags, kept = visible(np.arange(3, dtype=np.int32), corners, np.array([0, 0, 128, 128], np.float32))
    assert tags.tolist() == [0, 1], f"less than {LEAST_VISIBLE:.0%} of the last one is inside"
    assert kept[1].tolist() == [0, 0, 36, 100]


def test_photos_without_boxes_and_of_one_pixel_have_views() -> None:
    empty = Scene(np.zeros((1, 1, 3), np.uint8), np.zeros(0, np.int32), np.zeros((0, 4), np.float32))
    for make in (
        lambda rng: single(empty, SIZE, params(perspective=0.1), rng),
        lambda rng: mosaic([empty] * 4, SIZE, params(), rng),
    ):
        view = make(np.random.default_rng(0))
        assert view.corners.shape == (0, 4)


def test_a_view_is_mirrored_only_where_the_domain_says_so() -> None:
    one_sided = scene(0, 0, 40, 160)
    for seed in range(20):
        view = single(
            one_sided, SIZE, params(mirror=False, zoom=[1.0, 1.0], aspect=1.0), np.random.default_rng(seed)
        )
        assert view.corners[0, 0] == 0


def test_colours_change_by_their_strength() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    assert recoloured(pixels, 0.0, np.random.default_rng(0)) is pixels
    weak, strong = (
        np.mean(
            [
                np.abs(recoloured(pixels, strength, np.random.default_rng(seed)).astype(int) - pixels).mean()
                for seed in range(20)
            ]
        )
        for strength in (0.1, 1.0)
    )
    assert 0 < weak < strong / 3


def test_every_photo_is_drawn_in_each_of_its_views_and_no_mosaic_at_the_end() -> None:
    plan = draws(np.ones(6), [True, False, True], steps=40, batch_size=3, seed=1)
    assert plan.shape == (40, 3, 2)
    last = plan[int(40 * (1 - WITHOUT_MOSAICS)) :]
    assert set(last[..., 1].ravel().tolist()) == {1}
    first = plan[:6].reshape(-1, 2)
    assert {tuple(pair) for pair in first.tolist()} == {
        (photo, view) for photo in range(6) for view in range(3)
    }
    np.testing.assert_array_equal(
        plan, draws(np.ones(6), [True, False, True], steps=40, batch_size=3, seed=1)
    )


def test_rare_tags_come_more_often_and_empty_photos_do_not_prevail() -> None:
    def boxes(tag: int) -> Boxes:
        return Boxes(np.array([tag], np.int32), np.array([[0, 0, 1, 1]], np.float32), np.ones(1, np.float32))

    weights = photo_weights([boxes(0)] * 8 + [boxes(1)] * 2 + [no_boxes()] * 40, 2)
    assert weights.mean() == pytest.approx(1)
    assert weights[8] > weights[0]
    assert weights[10:].sum() == pytest.approx(0.3 * weights.sum())
    assert photo_weights([boxes(0)] * 8 + [no_boxes()], 1).tolist() == [1.0] * 9


def test_the_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, 200) for step in range(200)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.06


def test_folds_are_joined_whole() -> None:
    folds = np.array([0, 1, 2, 3, 4, -1] * 4 + [0] * 3, np.int32)
    joined = join_folds(folds, 3)
    assert set(joined[folds == -1].tolist()) == {-1}
    for fold in range(5):
        assert len(set(joined[folds == fold].tolist())) == 1
    counts = np.bincount(joined[joined >= 0])
    assert len(counts) == 3
    assert counts.max() <= 8
    np.testing.assert_array_equal(join_folds(folds, 5), folds)
