from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dahlia.errors import ImageError
from dahlia.serving.explanation import MAX_EDGE, as_numbers, as_png


def photo(width: int, height: int, *, kind: str = "JPEG", orientation: int = 1) -> bytes:
    """Green, so that a colour of heat cannot come from it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (30, 160, 60)).save(buffer, kind, exif=exif)
    return buffer.getvalue()


def pixels(png: bytes) -> Any:
    """(H, W, 3) RGB."""
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return np.asarray(image).astype(int)


def heat(*rows: list[float]) -> Any:
    return np.array(rows, np.float32)


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        (photo(300, 200), (200, 300)),
        (photo(200, 300, kind="PNG"), (300, 200)),
        (photo(300, 200, orientation=6), (300, 200)),
        (photo(2600, 1300), (MAX_EDGE // 2, MAX_EDGE)),
        (photo(900, 3600, kind="PNG"), (MAX_EDGE, MAX_EDGE // 4)),
        (photo(1, 1), (1, 1)),
        (photo(9000, 2, kind="PNG"), (1, MAX_EDGE)),
    ],
    ids=["landscape", "portrait", "turned", "large", "tall", "a-pixel", "a-line"],
)
def test_proportions_as_displayed(image: bytes, shape: tuple[int, int]) -> None:
    assert pixels(as_png(heat([1, 0], [0, -1]), image)).shape[:2] == shape


def test_what_speaks_for_the_tag_glows_and_the_rest_is_grey() -> None:
    drawn = pixels(as_png(heat([4, 2, 0, -3], [4, 2, 0, -3]), photo(400, 200)))
    hot, warm, none, cold = (drawn[100, column] for column in (20, 150, 280, 390))
    assert np.ptp(none) <= 12
    assert np.ptp(cold) == 0
    assert hot[0] > hot[2] + 60
    assert warm[0] > warm[2] + 20
    assert hot.sum() > warm.sum() > cold.sum()


def test_little_beside_much_against_the_tag_is_faint() -> None:
    alone, outweighed = (pixels(as_png(heat([2, low], [2, low]), photo(200, 100)))[50, 20] for low in (0, -8))
    assert 0 < np.ptp(outweighed) < np.ptp(alone) / 2


def test_beside_strong_evidence_against_the_tag_nothing_glows() -> None:
    drawn = pixels(as_png(heat([0, -9, 0], [0, -9, 0]), photo(300, 200)))
    assert np.ptp(drawn, axis=2).max() == 0


def test_a_turned_photo_and_its_heat_stay_together() -> None:
    drawn = pixels(as_png(heat([1, 1], [0, 0]), photo(300, 200, orientation=6)))
    assert np.ptp(drawn[20, 100]) > 60
    assert np.ptp(drawn[280, 100]) == 0


@pytest.mark.parametrize("value", [0.0, -2.0])
def test_where_nothing_speaks_for_the_tag_nothing_glows(value: float) -> None:
    drawn = pixels(as_png(np.full((7, 7), value, np.float32), photo(64, 48)))
    assert np.ptp(drawn, axis=2).max() == 0


def test_damaged_photos_are_refused() -> None:
    with pytest.raises(ImageError):
        as_png(heat([1.0]), b"no photo")


def test_numbers_are_the_map_and_fit_json() -> None:
    numbers = as_numbers(heat([1.23456789, -2.0], [0.1, 12345.678]))
    assert json.loads(json.dumps(numbers)) == [[1.23457, -2.0], [0.1, 12345.7]]
