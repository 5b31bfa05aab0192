"""Boxes in pixels, and the boxes around outlines and around masks of run lengths, as regions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from dahlia.dataset.readers.targets import image_size
from dahlia.dataset.records import Region
from dahlia.errors import DatasetError

Size = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, width, height
_MOST_FRACTION = 2.0  # a box that was drawn over the edge ends before


def size_of(photo: Path, width: object = None, height: object = None) -> Size | None:
    """Width and height of a photo in pixels: as stated, else the photo's own; None without both."""
    if said := stated_size(width, height):
        return said
    try:
        return image_size(photo)
    except DatasetError:
        return None  # validation reports the file


def stated_size(width: object, height: object) -> Size | None:
    """Width and height as annotations state them, in pixels; None where they are not both above 0."""
    across, down = finite(width), finite(height)
    if across is not None and down is not None and across > 0 and down > 0:
        return across, down
    return None


def looks_like_pixels(region: Region) -> bool:
    """Whether a region that was written in fractions is too far out of its photo for that."""
    return max(region.left, region.top, region.width, region.height) > _MOST_FRACTION


def has_unplaced(objects: Sequence[tuple[str, object | None]]) -> bool:
    """Whether an object has no position where another of its tag has one.

    Args:
        objects: of one photo: the tag of each, and its position, if it has one.
    """
    placed = {tag for tag, place in objects if place is not None}
    return any(place is None and tag in placed for tag, place in objects)


def region_of(tag: str, box: Box, size: Size) -> Region:
    """A region from a box in pixels."""
    width, height = size
    return Region(tag, box[0] / width, box[1] / height, box[2] / width, box[3] / height)


def box_around(points: Iterable[tuple[float, float]]) -> Box | None:
    """The box around points; None without any."""
    pairs = list(points)
    if not pairs:
        return None
    across, down = [x for x, _ in pairs], [y for _, y in pairs]
    return min(across), min(down), max(across) - min(across), max(down) - min(down)


def points_of(value: object) -> list[tuple[float, float]]:
    """Points from `[[x, y], ...]`, or from objects with `x` and `y`; none where one is something else."""
    if not isinstance(value, list):
        return []
    pairs = [(entry.get("x"), entry.get("y")) if isinstance(entry, dict) else entry for entry in value]
    points = [_pair(pair) for pair in pairs]
    return [point for point in points if point] if all(points) else []


def box_of_segmentation(value: object) -> Box | None:
    """The box around COCO's `segmentation`: polygons, or run lengths; None where there is no outline."""
    if isinstance(value, dict):
        return box_of_runs(value.get("counts"), value.get("size"))
    if not isinstance(value, list):
        return None
    rings = value if all(isinstance(ring, list) for ring in value) else [value]
    points = [point for ring in rings for point in _points_of_ring(ring)]
    return box_around(points) if len(points) > 1 else None


def corners_of_turned(box: Box, degrees: float) -> list[tuple[float, float]]:
    """The corners of a box that is turned clockwise around its top left corner."""
    left, top, width, height = box
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    return [(left + x * cos - y * sin, top + x * sin + y * cos) for x, y in corners]


def box_of_ellipse(centre: tuple[float, float], radii: tuple[float, float], degrees: float = 0) -> Box:
    """The box around an ellipse that is turned around its centre."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across, down = math.hypot(radii[0] * cos, radii[1] * sin), math.hypot(radii[0] * sin, radii[1] * cos)
    return centre[0] - across, centre[1] - down, 2 * across, 2 * down


def finite(value: object) -> float | None:
    """A finite number, also one that is written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _points_of_ring(ring: Sequence[object]) -> list[tuple[float, float]]:
    numbers = [finite(value) for value in ring]
    known = [value for value in numbers if value is not None]
    if len(known) < len(numbers) or len(known) % 2:
        return points_of(ring)
    return list(zip(known[::2], known[1::2], strict=True))


def _pair(value: object) -> tuple[float, float] | None:
    if not isinstance(value, (list, tuple)) or len(value) < 2:
        return None
    x, y = finite(value[0]), finite(value[1])
    return None if x is None or y is None else (x, y)


_MOST_RUNS = 10_000_000
_MOST_BITS = 60  # of a length, which is a number of pixels


def box_of_runs(counts: object, size: object) -> tuple[float, float, float, float] | None:
    """The box around a mask: left, top, width, height in pixels; None for an empty one, or no mask.

    Args:
        counts: a list of lengths, or their compressed text.
        size: height and width of the image, in pixels.
    """
    if not (
        isinstance(size, list) and len(size) == 2 and type(size[0]) is int and 0 < size[0] < 1 << _MOST_BITS
    ):
        return None
    lengths = _lengths(counts)
    if lengths is None or any(length < 0 or length >> _MOST_BITS for length in lengths):
        return None
    return _box(lengths, size[0])


def _box(lengths: list[int], height: int) -> tuple[float, float, float, float] | None:
    columns: list[int] = []
    rows: list[int] = []
    start = 0
    for index, length in enumerate(lengths):
        end = start + length
        if index % 2 and length:
            first, last = divmod(start, height), divmod(end - 1, height)
            columns += (first[0], last[0])
            # A run over the end of a column has a pixel at the bottom and one at the top.
            rows += (first[1], last[1]) if first[0] == last[0] else (0, height - 1)
        start = end
    if not columns:
        return None
    left, top = min(columns), min(rows)
    return float(left), float(top), float(max(columns) + 1 - left), float(max(rows) + 1 - top)


def _lengths(counts: object) -> list[int] | None:
    if isinstance(counts, list):
        return counts if all(type(value) is int for value in counts) else None
    if isinstance(counts, str) and counts.isascii():
        return _decompressed(counts)
    return None


def _decompressed(text: str) -> list[int] | None:
    """Five bits a character, the sixth saying that more follow; from the fourth on, differences."""
    lengths: list[int] = []
    value = bits = 0
    for character in text[:_MOST_RUNS]:
        code = ord(character) - 48
        if not 0 <= code < 64 or bits > _MOST_BITS:
            return None
        value |= (code & 31) << bits
        bits += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << bits
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = bits = 0
    return lengths if not bits else None
