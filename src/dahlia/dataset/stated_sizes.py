"""Whether photos have the sizes that annotations state, and boxes of photos as their files store them.

Cameras store what their sensor sees, and say by EXIF's orientation how to turn it. A tool that passes over
that states width and height the other way round, and its boxes are turned here. Orientations 2 to 4, and
square photos, keep their size; they are turned where the others of the source tell that its tool passed over
all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from dahlia.dataset.inspection import Inspection
from dahlia.dataset.readers.reading import Note, counted
from dahlia.dataset.records import Annotation, Region, clipped

OTHER_SIZE = "other-size"
_SAME_SHAPE = 0.01  # of the ratio of the edges, by which scaling to whole pixels may change it
_MIRRORED = frozenset({2, 3, 6, 7})  # across, after the transposition of 5 to 8
_UPSIDE_DOWN = frozenset({3, 4, 7, 8})
_TRANSPOSED = 5

_Size = tuple[float, float]
_Fit = Literal["same", "scaled", "stored", "other"]


def with_stated_sizes(
    annotations: Sequence[Annotation], rows: Sequence[Inspection], root: Path
) -> tuple[list[Inspection], tuple[Note, ...]]:
    """Rows whose boxes are of the photos as displayed, and what there is to tell of sizes.

    Args:
        annotations: what the source says.
        rows: what was found of each, in the same order.
        root: the source's folder, to which the notes' files are relative.
    """
    fits: dict[int, _Fit] = {}
    for place, (one, row) in enumerate(zip(annotations, rows, strict=True)):
        if one.regions and one.stated and row.width and row.height:
            fits[place] = _fit(one.stated, (row.width, row.height), row.orientation or 1)
    telling = {
        fit
        for place, fit in fits.items()
        if (rows[place].orientation or 1) >= _TRANSPOSED and rows[place].width != rows[place].height
    }
    as_stored = "stored" in telling and not telling & {"same", "scaled"}
    turned, result = [], list(rows)
    for place, fit in fits.items():
        row, orientation = rows[place], rows[place].orientation or 1
        if fit == "stored" or (as_stored and fit != "other" and orientation > 1):
            turned.append(place)
            regions = (turned_region(region, orientation) for region in annotations[place].regions)
            kept = tuple(clipped(region, row.width or 1, row.height or 1) for region in regions)
            result[place] = replace(row, regions=kept)

    def names(places: Sequence[int]) -> tuple[str, ...]:
        return tuple(annotations[place].path.relative_to(root).as_posix() for place in places)

    notes = []
    if turned:
        found = f"the boxes of {counted(len(turned), 'photo')} were of the photo as stored, and were turned"
        notes.append(Note("turned-boxes", found, names(turned)))
    if scaled := [place for place, fit in fits.items() if fit == "scaled"]:
        found = f"{counted(len(scaled), 'photo')} of the stated shape, but of another size"
        notes.append(Note("scaled-photo", found, names(scaled)))
    for place, fit in fits.items():
        if fit == "other":
            found = f"the annotations say {_written(annotations[place].stated)}, the photo has "
            found += _written((rows[place].width or 0, rows[place].height or 0))
            notes.append(Note(OTHER_SIZE, found, names([place])))
    return result, tuple(notes)


def turned_region(region: Region, orientation: int) -> Region:
    """A region of a photo as stored, on the photo as displayed.

    Args:
        region: fractions of the stored photo's edges.
        orientation: as EXIF counts it, 1 to 8.
    """
    left, top, width, height = region.left, region.top, region.width, region.height
    if orientation >= _TRANSPOSED:
        left, top, width, height = top, left, height, width
    if orientation in _MIRRORED:
        left = 1 - left - width
    if orientation in _UPSIDE_DOWN:
        top = 1 - top - height
    return Region(region.tag, left, top, width, height)


def _fit(stated: _Size, shown: _Size, orientation: int) -> _Fit:
    if stated == shown:
        return "same"
    is_turned = orientation >= _TRANSPOSED
    exchanged = (shown[1], shown[0])
    if is_turned and stated == exchanged:
        return "stored"
    if _has_shape(stated, shown):
        return "scaled"
    return "stored" if is_turned and _has_shape(stated, exchanged) else "other"


def _has_shape(stated: _Size, size: _Size) -> bool:
    """Whether a photo may be a scaled copy of one of the stated size; edges are rounded to whole pixels."""
    slack = max(_SAME_SHAPE, 1 / min(*stated, *size))
    return abs(stated[0] * size[1] / (stated[1] * size[0]) - 1) <= slack


def _written(size: _Size | None) -> str:
    return " x ".join(f"{edge:g}" for edge in size or ())
