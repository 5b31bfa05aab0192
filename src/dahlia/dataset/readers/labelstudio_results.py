"""What the results of an annotation in Label Studio say: tags of the photo, and regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dahlia.dataset.readers.boxes import (
    Box,
    Size,
    box_around,
    box_of_ellipse,
    corners_of_turned,
    finite,
    has_unplaced,
    points_of,
    region_of,
    size_of,
    stated_size,
)
from dahlia.dataset.readers.json_documents import Entry
from dahlia.dataset.readers.reading import Tally
from dahlia.dataset.readers.sources import written_tag
from dahlia.dataset.records import Region

_LABELS = (
    "rectanglelabels",
    "polygonlabels",
    "ellipselabels",
    "brushlabels",
    "keypointlabels",
    "bitmasklabels",
    "vectorlabels",
    "labels",
)
_SHAPES = frozenset({"rectangle", "polygon", "ellipse", "brush", "keypoint", "bitmask", "vector"})
_POSITION = ("x", "y", "width", "height", "radiusX", "radiusY")


def said_in(
    results: Sequence[Entry], where: str, photo: Path, file: str, tally: Tally
) -> Iterator[tuple[str, Region | None]]:
    """Tags, each with its region if it has one.

    Args:
        results: of one annotation.
        where: the task, for messages.
        photo: what it is about.
        file: the photo's name, for notes.
        tally: where notes are counted.

    Raises:
        DatasetError: a tag cannot have its name.
    """
    labelled = {_identity(result) for result in results if _tags_in(result, *_LABELS)} - {None}
    objects: list[tuple[str, Box | None]] = []
    chosen = {_identity(result) for result in results if _tags_in(result, "choices")} - {None}
    own_size = cache(lambda: size_of(photo))  # opens the photo
    for result in results:
        identity = _identity(result)
        named = _tags_in(result, *_LABELS)
        # Choices about a region that has a label say more of it, such as "occluded".
        if not named and identity not in labelled:
            named = _tags_in(result, "choices")
        if not named and identity not in labelled | chosen:
            _count_unread(str(result.get("type", "")), file, tally)
        box, is_outline = (
            _box(_value(result), {**_value(result), **result}, own_size) if named else (None, False)
        )
        if box and is_outline:
            tally.add("region-outline", file)
        for name in named:
            tag = written_tag(name, where)
            if identity:
                objects.append((tag, box))
            yield tag, region_of(tag, box, (1, 1)) if box else None
    if has_unplaced(objects):
        tally.add("object-without-box", file)


def size_in(results: Sequence[Entry]) -> Size | None:
    """Width and height of the photo in pixels, as the first result that has them states them.

    Results on a photo that was turned in the tool are passed over.
    """
    for facts in ({**_value(result), **result} for result in results):
        size = stated_size(facts.get("original_width"), facts.get("original_height"))
        if size and not finite(facts.get("image_rotation")):
            return size
    return None


def _count_unread(kind: str, file: str, tally: Tally) -> None:
    if kind in (*_SHAPES, *_LABELS):
        tally.add("annotation-without-tag", file)
    elif kind and kind not in ("choices", "relation"):
        tally.add("unread-annotations", file, kind)


def _identity(result: Entry) -> str | None:
    """What results about one region share: their id, else the position; None for the photo as a whole."""
    value = _value(result)
    position = [value.get(key) for key in ("x", "y", "width", "height", "points")]
    if not any(part is not None for part in position):
        return None
    return str(result.get("id") or position)


def _value(result: Entry) -> Entry:
    value = result.get("value")
    return value if isinstance(value, dict) else {}


def _tags_in(result: Entry, *keys: str) -> list[Any]:
    value = _value(result)
    found: Any = next((value[key] for key in keys if value.get(key)), [])
    return found if isinstance(found, list) else [found]


def _box(value: Entry, facts: Entry, own_size: Callable[[], Size | None]) -> tuple[Box | None, bool]:
    """The box in fractions of the photo's size, if there is one, and whether it is around an outline.

    Args:
        value: the position, in percent.
        facts: with `original_width` and `original_height`, in pixels.
        own_size: says the photo's own size in pixels, where the facts do not.
    """
    points = points_of(value.get("points") or value.get("vertices"))
    if len(points) > 1:
        return _scaled(box_around(points), (100, 100)), True
    turned = (finite(value.get("rotation")) or 0.0) % 360
    size: Size | None = (100, 100)
    if turned:  # in pixels, for percent of the width are not those of the height
        size = stated_size(facts.get("original_width"), facts.get("original_height")) or own_size()
    x, y, width, height, across, down = (finite(value.get(key)) for key in _POSITION)
    if x is None or y is None or size is None:
        return None, False
    w, h = size[0] / 100, size[1] / 100
    if across is not None and down is not None:
        return _scaled(box_of_ellipse((x * w, y * h), (across * w, down * h), turned), size), True
    if width is None or height is None:
        return None, False
    corners = corners_of_turned((x * w, y * h, width * w, height * h), turned)
    box = box_around(corners) if turned else (x, y, width, height)
    return _scaled(box, size), bool(turned % 90)


def _scaled(box: Box | None, size: Size) -> Box | None:
    return box and (box[0] / size[0], box[1] / size[1], box[2] / size[0], box[3] / size[1])
