from __future__ import annotations

from typing import get_args

import pytest

from dahlia.dataset.readers.splits import subset_of
from dahlia.dataset.records import Region, Split, clipped


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 400, 200), (0, 0, 400, 200)),
        ((10, 20, 30, 40), (10, 20, 30, 40)),
        ((-1, 20, 31, 40), (0, 20, 30, 40)),
        ((-1.5, 20, 31.5, 40), (0, 20, 30, 40)),
        ((-4, 20, 34, 40), (0, 20, 30, 40)),
        ((370, 20, 34, 40), (370, 20, 30, 40)),
        ((370, -1.5, 31.5, 203), (370, 0, 30, 200)),
        ((-4.1, 20, 34, 40), (-4.1, 20, 34, 40)),
        ((370, 20, 34.1, 40), (370, 20, 34.1, 40)),
        ((10, -2.2, 30, 40), (10, -2.2, 30, 40)),
        ((10, 20, 0, 40), (10, 20, 0, 40)),
        ((10, 20, -5, 40), (10, 20, -5, 40)),
    ],
)
def test_rounding_is_clipped(box: tuple[float, ...], expected: tuple[float, ...]) -> None:
    left, top, width, height = box
    region = clipped(Region("a", left / 400, top / 200, width / 400, height / 200), 400, 200)
    found = (region.left * 400, region.top * 200, region.width * 400, region.height * 200)
    assert found == pytest.approx(expected)


def test_pixels_count_in_small_images() -> None:
    assert clipped(Region("a", -1.5 / 20, 0, 1, 1), 20, 20).left == 0
    assert clipped(Region("a", -1.6 / 20, 0, 1, 1), 20, 20).left == -1.6 / 20


def test_what_is_no_number_stays() -> None:
    region = clipped(Region("a", float("nan"), 0, 1, 1), 20, 20)
    assert region.left != region.left


def test_validation_images_are_learned_from() -> None:
    subsets = {split: subset_of(split) for split in get_args(Split)}
    assert subsets == {"train": "train", "valid": "train", "test": "test"}
    assert subset_of(None) == "train"
