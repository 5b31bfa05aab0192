"""One pass over the files: read once, hash, decode, measure; on several cores, without keeping pixels.

Blurred, dark, bright and odd-sized images are those that cleanvision finds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from dahlia.dataset.imaging import Pixels, decode_then, read_header
from dahlia.dataset.inspection import Inspection, uninspected
from dahlia.dataset.photo_files import read_file
from dahlia.dataset.records import Annotation, clipped
from dahlia.errors import ImageError
from dahlia.imports import quick_imports
from dahlia.processes import usable_cores

if TYPE_CHECKING:
    import pandas as pd


SIGHT = 128  # pixels of the longer edge at which hash and quality are measured
CHUNK = 32
ISSUES = {"blurry": "blurred", "dark": "dark", "light": "bright", "odd_size": "odd-size"}


def inspect_all(
    annotations: Sequence[Annotation], root: Path, *, max_bytes: int, workers: int = 0
) -> Iterator[Inspection]:
    """Inspect files in their given order; nothing but the rows is kept.

    Threads, not processes: reading, hashing, decoding and resizing release the interpreter's lock, and
    no project pays for a second process's imports.

    Args:
        annotations: what the sources say.
        root: the project folder.
        max_bytes: larger files are not read.
        workers: threads; 0 for one per core.
    """
    _prepare()
    chunks = [annotations[start : start + CHUNK] for start in range(0, len(annotations), CHUNK)]
    pool = ThreadPoolExecutor(workers or usable_cores())
    try:
        for rows in pool.map(lambda chunk: _inspect_chunk(chunk, root, max_bytes), chunks):
            yield from rows
    finally:
        pool.shutdown(cancel_futures=True)  # who interrupts does not wait for all photos


def inspect(annotation: Annotation, root: Path, *, max_bytes: int) -> Inspection:
    """Read, hash, decode and measure one file; whatever is wrong with it becomes the row's `problem`."""
    row = uninspected(annotation, root)
    try:
        size, data = read_file(annotation.path, max_bytes)
    except FileNotFoundError:
        hint = f"; {annotation.hint}" if annotation.hint else ""
        return _flawed(row, "missing-file", f"there is no such file{hint}")
    except OSError as error:
        return _flawed(row, "unreadable", f"the file cannot be read ({error.strerror or error})")
    row = replace(row, bytes=size)
    if data is None:
        return _flawed(row, "too-many-bytes", f"{size:,} bytes")
    row = replace(row, id=hashlib.sha256(data).hexdigest())
    try:
        header = read_header(data)
        row = replace(row, format=header.format)
        seen = _sight(data)
    except ImageError as error:
        return _flawed(row, error.code, error.received)
    figures = measure(seen)
    return replace(
        row,
        cut_off=header.cut_off,
        width=header.width,
        height=header.height,
        orientation=header.orientation,
        regions=tuple(clipped(region, header.width, header.height) for region in row.regions),
        phash=perceptual_hash(seen),
        blurriness=figures.blurriness,
        blurriness_grayscale_std=figures.blurriness_grayscale_std,
        brightness_perc_5=figures.brightness_perc_5,
        brightness_perc_99=figures.brightness_perc_99,
    )


def perceptual_hash(image: Image.Image) -> str:
    """The 64-bit DCT hash of an RGB image as 16 hexadecimal digits (ImageHash's `phash`)."""
    from imagehash import phash

    return str(phash(image))


def _prepare() -> None:
    # Imported and warmed here once: two threads that import the same package at a time can deadlock,
    # and OpenCV's own threads would compete with ours.
    cv2.setNumThreads(1)
    grey = Image.new("RGB", (8, 8))
    perceptual_hash(grey)
    measure(grey)


def _inspect_chunk(chunk: Iterable[Annotation], root: Path, max_bytes: int) -> list[Inspection]:
    return [inspect(annotation, root, max_bytes=max_bytes) for annotation in chunk]


def _flawed(row: Inspection, code: str, received: str) -> Inspection:
    return replace(row, problem=code, message=received)


def _sight(data: bytes) -> Image.Image:
    return decode_then(data, _small, SIGHT)


def _small(pixels: Pixels) -> Image.Image:
    height, width = pixels.shape[:2]
    scale = SIGHT / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return Image.fromarray(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8))
    return Image.fromarray(pixels)


class Figures(NamedTuple):
    """What cleanvision measures on one image, under its own names."""

    blurriness: float
    blurriness_grayscale_std: float
    brightness_perc_5: float
    brightness_perc_99: float


def measure(image: Image.Image) -> Figures:
    """Measure one RGB image.

    An image scaled to 128 pixels gives nearly those of the full one: cleanvision itself looks for blur
    at 64 pixels, and percentiles of brightness hardly move.
    """
    blur, brightness = _properties()
    figures = {**blur.calculate(image), **brightness.calculate(image)}
    return Figures(*(float(figures[name]) for name in Figures._fields))


def issues(rows: Sequence[Inspection]) -> dict[str, list[int]]:
    """Which of N readable images have which finding's code, by cleanvision's own thresholds.

    Args:
        rows: readable images; whether a size is odd depends on all of them.

    Returns:
        For each of `blurred`, `dark`, `bright` and `odd-size` the positions in `rows`, ascending.
    """
    if not rows:
        return {code: [] for code in ISSUES.values()}
    with quick_imports():
        from cleanvision.issue_managers.image_property_issue_manager import ImagePropertyIssueManager

    figures = _frame(rows)
    manager = ImagePropertyIssueManager()
    manager.issues = figures[[]]
    manager.update_issues(figures, list(ISSUES))
    found = manager.issues
    return {code: found.index[found[f"is_{name}_issue"]].tolist() for name, code in ISSUES.items()}


@cache
def _properties() -> tuple[Any, Any]:
    with quick_imports():
        from cleanvision.issue_managers.image_property import BlurrinessProperty, BrightnessProperty

    return BlurrinessProperty(), BrightnessProperty("dark")


def _frame(rows: Sequence[Inspection]) -> pd.DataFrame:
    import pandas as pd

    columns = {name: [getattr(row, name) for row in rows] for name in Figures._fields}
    sizes = [((row.width or 0) * (row.height or 0)) ** 0.5 for row in rows]
    return pd.DataFrame({**columns, "size": sizes})
