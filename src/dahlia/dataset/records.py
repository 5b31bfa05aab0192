"""The words in which a dataset is spoken of: regions, annotations, and the manifest's rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
    """

    path: Path
    tags: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    subset: Subset = "train"
    source: str = "folder"
    split: Split | None = None
    hint: str = ""


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
