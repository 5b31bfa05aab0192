"""The inspection: a row per image file that a source names, readable or not.

Rows with the same bytes are merged into one row of the manifest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dahlia.dataset.manifest import LATER, read_table
from dahlia.dataset.manifest import SCHEMA as MANIFEST_SCHEMA
from dahlia.dataset.records import Annotation, ImageRecord, Region, Subset, project_path, row_of
from dahlia.files import staged_file

SCHEMA = pa.schema(
    [MANIFEST_SCHEMA.field(name) for name in ("path", "source", "subset", "tags", "regions")]
    + [
        pa.field("problem", pa.string()),
        pa.field("message", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("id", pa.string()),
        pa.field("format", pa.string()),
        pa.field("cut_off", pa.bool_()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("phash", pa.string()),
        pa.field("blurriness", pa.float64()),
        pa.field("blurriness_grayscale_std", pa.float64()),
        pa.field("brightness_perc_5", pa.float64()),
        pa.field("brightness_perc_99", pa.float64()),
        MANIFEST_SCHEMA.field("group"),
        pa.field("orientation", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What ingest found out about one file.

    Attributes:
        path: relative to the project folder with forward slashes; absolute when it lies outside.
        source: see `Annotation.source`.
        subset: `train` or `test`.
        tags: in the source's order.
        regions: as the source gives them, without what leaves the image by rounding (see `clipped`).
        problem: code of the finding that keeps the file from being used; None for a whole image. Only
            for a whole image are the fields from `width` on given.
        message: what the file is instead of an image, in words; None without a problem.
        bytes: size of the file; None where it could not be looked at.
        id: SHA-256 of the bytes; None where they were not read.
        format: by content, for example `JPEG`; None where the content does not say.
        cut_off: whether the file lacks its format's end, but no pixels.
        width: pixels, EXIF orientation applied.
        height: pixels, EXIF orientation applied.
        phash: 64-bit perceptual hash, 16 hexadecimal digits.
        blurriness: cleanvision's raw figure, as are the next three (see `dahlia.dataset.inspector`).
        blurriness_grayscale_std: deviation of the grey histogram.
        brightness_perc_5: 5th percentile of brightness, 0 to 1.
        brightness_perc_99: 99th percentile of brightness, 0 to 1.
        group: see `Annotation.group`.
        orientation: as EXIF counts it, 1 to 8; None where an earlier version did not keep it.
    """

    path: str
    source: str
    subset: Subset
    tags: tuple[str, ...]
    regions: tuple[Region, ...]
    problem: str | None = None
    message: str | None = None
    bytes: int | None = None
    id: str | None = None
    format: str | None = None
    cut_off: bool = False
    width: int | None = None
    height: int | None = None
    phash: str | None = None
    blurriness: float | None = None
    blurriness_grayscale_std: float | None = None
    brightness_perc_5: float | None = None
    brightness_perc_99: float | None = None
    group: str | None = None
    orientation: int | None = None


def uninspected(annotation: Annotation, root: Path) -> Inspection:
    """The row of a file before it is opened."""
    return Inspection(
        path=project_path(annotation.path, root),
        source=annotation.source,
        subset=annotation.subset,
        tags=annotation.tags,
        regions=annotation.regions,
        group=annotation.group,
    )


def save_inspection(path: Path, rows: Sequence[Inspection]) -> None:
    """Write Parquet, rows sorted by path, then source."""
    ordered = sorted(rows, key=lambda row: (row.path, row.source))
    table = pa.Table.from_pylist([row_of(row) for row in ordered], schema=SCHEMA)
    with staged_file(path) as staged:
        pq.write_table(table, staged, compression="zstd")


def load_inspection(path: Path) -> list[Inspection]:
    """Read what `save_inspection` wrote, in an earlier version too.

    Raises:
        DatasetError: the file is missing or has another schema.
    """
    rows = read_table(path, SCHEMA, "dvc repro ingest", (*LATER, "orientation")).to_pylist()
    return [
        Inspection(
            **{**row, "tags": tuple(row["tags"]), "regions": tuple(Region(**r) for r in row["regions"])}
        )
        for row in rows
    ]


def copies_by_id(rows: Iterable[Inspection]) -> dict[str, list[Inspection]]:
    """The whole images by id, each with all files that hold the same bytes, sorted by path."""
    copies: dict[str, list[Inspection]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.path, row.source)):
        if row.problem is None and row.id is not None:
            copies[row.id].append(row)
    return copies


def merge_copies(rows: Iterable[Inspection]) -> list[ImageRecord]:
    """The manifest's rows, sorted by id.

    Files with the same bytes become one row: their tags and regions together; the subset `test` where
    any of them is in the test set, so that training never sees it; the path of the first of that subset;
    the group of the first that has one.
    Whether such a row may be used is for validation to say.
    """
    return [_merge(name, same) for name, same in sorted(copies_by_id(rows).items())]


def _merge(name: str, same: list[Inspection]) -> ImageRecord:
    first = next((row for row in same if row.subset == "test"), same[0])
    return ImageRecord(
        id=name,
        path=first.path,
        width=first.width or 0,
        height=first.height or 0,
        tags=tuple(sorted({tag for row in same for tag in row.tags})),
        regions=tuple(dict.fromkeys(region for row in same for region in row.regions)),
        subset=first.subset,
        source=first.source,
        phash=first.phash or "",
        group=next((row.group for row in (first, *same) if row.group), None),
    )
