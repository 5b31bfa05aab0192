"""The words in which a dataset is spoken of: regions, annotations, and the manifest's rows."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dahlia.errors import DatasetError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Subset = Literal["train", "test"]
Split = Literal["train", "valid", "test"]


@dataclass(frozen=True, slots=True)
class Region:
    """A tagged rectangle; `left`, `top`, `width`, `height` are fractions of the image's size.

    The origin is the top left corner of the image as displayed (EXIF orientation applied).
    """

    tag: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a source says of one image file, before the file has been opened.

    Attributes:
        path: the file as the source names it, resolved to an absolute path; it may not exist.
        tags: the image's tags in the source's order, without repetition.
        regions: the image's regions; every region's tag is also in `tags`.
        subset: `test` for an image of the user's own test set, which training never sees.
        source: where it was said, for messages: `folder`, `labels.csv:12`, `instances.json`.
        split: what the source calls the part that the image is in; None where it has no parts.
        hint: which file may be meant, where `path` does not exist; a clause, or empty.
        group: the scene, place, session, product, animal or customer that the image shares with others, as
            the user has named it; None where nothing is named. One name is one group, whatever the tags.
        stated: width and height in pixels of which the source says that the image has them; None where it
            does not say.
    """

    path: Path
    tags: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    subset: Subset = "train"
    source: str = "folder"
    split: Split | None = None
    hint: str = ""
    group: str | None = None
    # Not all formats state it, and what they say of an image is the same without it.
    stated: tuple[float, float] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """A row of the manifest: one distinct image that could be decoded.

    Attributes:
        id: SHA-256 of the file's bytes, 64 lower-case hexadecimal digits.
        path: the file, relative to the project folder, with forward slashes.
        width: pixels, EXIF orientation applied.
        height: pixels, EXIF orientation applied.
        tags: sorted by name.
        regions: see `Region`.
        subset: `train` or `test`.
        source: see `Annotation.source`.
        phash: 64-bit perceptual hash, 16 hexadecimal digits; near-duplicates differ in few bits.
        group: see `Annotation.group`.
    """

    id: str
    path: str
    width: int
    height: int
    tags: tuple[str, ...]
    regions: tuple[Region, ...]
    subset: Subset
    source: str
    phash: str
    group: str | None = None


def row_of(record: DataclassInstance) -> dict[str, Any]:
    """A dataclass with `regions` as a row of a table; what `asdict` gives, without copying every value.

    Args:
        record: an `ImageRecord`, or another with the field; its other values are taken as they are.
    """
    row = {field.name: getattr(record, field.name) for field in fields(record)}
    row["regions"] = [
        {"tag": one.tag, "left": one.left, "top": one.top, "width": one.width, "height": one.height}
        for one in row["regions"]
    ]
    return row


SLACK_PIXELS = 1.5  # formats count pixels from 0 or from 1, and include the last one or do not
SLACK = 0.01  # of the image's edge


def clipped(region: Region, width: int, height: int) -> Region:
    """A region without what reaches over the image's edge by rounding; one that reaches further is as it was.

    Rounding is up to 1.5 pixels or 1 % of the edge, whichever is more, whatever format it was written in.

    Args:
        region: fractions of the image's size.
        width: of the image, in pixels.
        height: of the image, in pixels.
    """
    across = _inside(region.left, region.width, width)
    down = _inside(region.top, region.height, height)
    if across is None or down is None:
        return region
    return Region(region.tag, across[0], down[0], across[1], down[1])


def _inside(start: float, length: float, pixels: int) -> tuple[float, float] | None:
    """Start and length inside 0 to 1; None where too much lies outside."""
    slack = max(SLACK_PIXELS / pixels, SLACK)
    end = start + length
    if not (start >= -slack and end <= 1 + slack):
        return None
    if start >= 0 and end <= 1:
        return start, length
    return max(start, 0.0), min(end, 1.0) - max(start, 0.0)


def project_path(path: Path, root: Path) -> str:
    """`path` relative to the project folder with forward slashes; absolute when it lies outside.

    Raises:
        DatasetError: the name is not UTF-8.
    """
    text = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DatasetError(
            f"Expected file names in UTF-8, received {os.fsencode(path)!r}. Rename the file and run again."
        ) from None
    return text
