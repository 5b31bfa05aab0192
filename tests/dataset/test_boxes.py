from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dahlia.dataset.readers.boxes import (
    box_around,
    box_of_ellipse,
    box_of_runs,
    box_of_segmentation,
    corners_of_turned,
    finite,
    points_of,
    region_of,
    size_of,
)
from dahlia.dataset.records import Region


def compressed(lengths: list[int]) -> str:
    """Run lengths as COCO's own tool writes them."""
    text = ""
    for index, length in enumerate(lengths):
        value = length - lengths[index - 2] if index > 2 else length
        while True:
            low, value = value & 31, value >> 5
            more = value != (-1 if low & 16 else 0)
            text += chr((low | 32 if more else low) + 48)
            if not more:
                break
    return text


def runs(pixels: set[tuple[int, int]], width: int, height: int) -> list[int]:
    """Run lengths of a mask from its pixels, column and row."""
    lengths, inside = [0], False
    for column in range(width):
        for row in range(height):
            if ((column, row) in pixels) != inside:
                lengths.append(0)
                inside = not inside
            lengths[-1] += 1
    return lengths


SQUARE = {(column, row) for column in range(2, 5) for row in range(1, 4)}
TALL = {(6, row) for row in range(5)} | {(7, 0)}
ODD = {(0, 0), (299, 199), (150, 3)}


@pytest.mark.parametrize(
    ("pixels", "width", "height", "box"),
    [
        (SQUARE, 10, 8, (2, 1, 3, 3)),
        (TALL, 10, 5, (6, 0, 2, 5)),
        ({(9, 7)}, 10, 8, (9, 7, 1, 1)),
        ({(0, 0)}, 10, 8, (0, 0, 1, 1)),
        (ODD, 300, 200, (0, 0, 300, 200)),
        (set(), 10, 8, None),
    ],
)
@pytest.mark.parametrize("write", [list, compressed])
def test_boxes_of_masks(
    pixels: set[tuple[int, int]], width: int, height: int, box: tuple[int, ...] | None, write: Any
) -> None:
    assert box_of_runs(write(runs(pixels, width, height)), [height, width]) == box


@pytest.mark.parametrize(
    ("counts", "size"),
    [
        ("", [8, 10]),
        ("é", [8, 10]),
        ("P", [8, 10]),  # cut off: another character should follow
        ("P" * 100, [8, 10]),
        (None, [8, 10]),
        ([1.5, 2], [8, 10]),
        ([True], [8, 10]),
        ([1, -2], [8, 10]),
        ([1, 2], [0, 10]),
        ([1, 2], ["8", 10]),
        ([1, 2], 8),
        ([1, 2], [8]),
    ],
)
def test_masks_that_are_none(counts: object, size: object) -> None:
    assert box_of_runs(counts, size) is None


@pytest.mark.parametrize(
    ("segmentation", "box"),
    [
        ([[0, 0, 4, 0, 4, 2]], (0, 0, 4, 2)),
        ([[0, 0, 1, 1, 1, 0], [3, 3, 5, 9, 3, 9]], (0, 0, 5, 9)),
        ([["0", "0", "4", "2"]], (0, 0, 4, 2)),
        ([0, 0, 4, 2], (0, 0, 4, 2)),
        ([[[0, 0], [4, 2]]], (0, 0, 4, 2)),
        ([[0, 0]], None),
        ([[0, 0, 1]], None),
        ([], None),
        ([[], []], None),
        ([None], None),
        ([[float("nan"), 0, 1, 1]], None),
        ({}, None),
        ("polygon", None),
    ],
)
def test_boxes_of_segmentations(segmentation: object, box: tuple[float, ...] | None) -> None:
    assert box_of_segmentation(segmentation) == box


@pytest.mark.parametrize(
    ("degrees", "box"),
    [
        (0, (10, 20, 4, 2)),
        (90, (8, 20, 2, 4)),
        (180, (6, 18, 4, 2)),
        (270, (10, 16, 2, 4)),
        (-90, (10, 16, 2, 4)),
        (45, (10 - 2**0.5, 20, 3 * 2**0.5, 3 * 2**0.5)),
    ],
)
def test_turned_boxes(degrees: float, box: tuple[float, ...]) -> None:
    """A positive angle turns clockwise around the top left corner."""
    assert box_around(corners_of_turned((10, 20, 4, 2), degrees)) == pytest.approx(box)


@pytest.mark.parametrize(("degrees", "box"), [(0, (6, 8, 8, 4)), (90, (8, 6, 4, 8)), (180, (6, 8, 8, 4))])
def test_ellipses(degrees: float, box: tuple[float, ...]) -> None:
    assert box_of_ellipse((10, 10), (4, 2), degrees) == pytest.approx(box)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        ("1.5", 1.5),
        (" 2 ", 2.0),
        (True, None),
        ("x", None),
        (None, None),
        ("inf", None),
        (10**400, None),
    ],
)
def test_numbers(value: object, expected: float | None) -> None:
    assert finite(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([[1, 2], ["3", 4.5]], [(1, 2), (3, 4.5)]),
        ([{"x": 1, "y": 2}], [(1, 2)]),
        ([[1, 2, 9]], [(1, 2)]),
        ([[1, 2], [3]], []),
        ([[1, 2], None], []),
        ([{"x": 1}], []),
        ("points", []),
        (None, []),
    ],
)
def test_points(value: object, expected: list[tuple[float, float]]) -> None:
    assert points_of(value) == expected


def test_sizes_and_regions(tmp_path: Path) -> None:
    assert size_of(tmp_path / "gone.png", 40, "20") == (40, 20)
    assert size_of(tmp_path / "gone.png", 40, 0) is None
    assert size_of(tmp_path / "gone.png", -40, 20) is None
    assert region_of("cat", (10, 5, 20, 10), (40, 20)) == Region("cat", 0.25, 0.25, 0.5, 0.5)
    assert box_around([]) is None
