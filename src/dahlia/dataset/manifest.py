"""The manifest: one Parquet file with a row per image, and the one schema that it must fit.

Folds lie beside it: who is held out together. Its photos are read again here by the stages after ingest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dahlia.dataset.photo_files import read_file
from dahlia.dataset.records import ImageRecord, Region, row_of
from dahlia.errors import DatasetError
from dahlia.files import staged_file

_REGION = pa.struct(
    [pa.field("tag", pa.string(), nullable=False)]
    + [pa.field(name, pa.float64(), nullable=False) for name in ("left", "top", "width", "height")]
)

_BUFFER = 1 << 20

TEST_FOLD = -1  # the user's own test set

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("regions", pa.list_(_REGION), nullable=False),
        pa.field("subset", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("phash", pa.string(), nullable=False),
        pa.field("group", pa.string()),
    ]
)
LATER = ("group",)  # columns of `SCHEMA` that manifests of earlier versions do not have


def save_manifest(path: Path, records: Sequence[ImageRecord]) -> None:
    """Write the manifest, rows sorted by id.

    Raises:
        DatasetError: two rows share an id, or a value is out of its range.
    """
    rows = [row_of(record) for record in sorted(records, key=lambda record: record.id)]
    _check(rows, path)
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    with staged_file(path) as staged:
        pq.write_table(table, staged, compression="zstd")


def load_manifest(path: Path) -> list[ImageRecord]:
    """Read a manifest; one of an earlier version has no groups.

    Raises:
        DatasetError: the file is missing, has another schema, or a value is out of its range.
    """
    rows = read_table(path, SCHEMA, "dvc repro ingest", LATER).to_pylist()
    _check(rows, path)
    return [
        ImageRecord(
            **{**row, "tags": tuple(row["tags"]), "regions": tuple(Region(**r) for r in row["regions"])}
        )
        for row in rows
    ]


def fingerprint(records: Sequence[ImageRecord]) -> str:
    """A SHA-256 over ids, tags, regions and subsets: equal exactly when the labelled data is.

    Groups are no part of it: nothing is learned from them, they say how the result is measured.
    """
    digest = hashlib.sha256()
    for record in sorted(records, key=lambda record: record.id):
        regions = sorted(
            (region.tag, region.left, region.top, region.width, region.height) for region in record.regions
        )
        digest.update(repr((record.id, record.tags, regions, record.subset)).encode())
    return digest.hexdigest()


def read_table(path: Path, schema: pa.Schema, remedy: str, later: Sequence[str] = ()) -> pa.Table:
    """Read a Parquet file that must have exactly `schema`; see `opened_table`.

    Raises:
        DatasetError: the file is missing, damaged, or has another schema.
    """
    with opened_table(path, schema, remedy, later) as file:
        return file.read()


@contextmanager
def opened_table(
    path: Path, schema: pa.Schema, remedy: str, later: Sequence[str] = ()
) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file that must have exactly `schema`, to be read in parts.

    Args:
        path: the file.
        schema: the fields that it must have, in order.
        remedy: the command that makes the file again, named in error messages.
        later: names of fields that files of earlier versions lack, in the order in which they came: a file
            has none of them, or the first ones.

    Raises:
        DatasetError: the file is missing, damaged, or has another schema.
    """
    try:
        # The dataset API, which pq.read_table would import, costs each stage 0.2 s. Without a small buffer, a
        # column is read whole before its first rows are had.
        with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            missing = [set(later[count:]) for count in range(len(later) + 1)]
            known = [pa.schema([field for field in schema if field.name not in names]) for names in missing]
            if not any(file.schema_arrow.equals(one, check_metadata=False) for one in known):
                raise DatasetError(
                    f"{path} has the columns {file.schema_arrow.names}, expected {schema.names} with the "
                    f"types of this version. Run `{remedy}` to make it again."
                )
            yield file
    except FileNotFoundError:
        raise DatasetError(f"{path} was expected and is not there. Run `{remedy}` to make it.") from None
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(
            f"{path} is not a readable Parquet file ({error}). Delete it and run `{remedy}`."
        ) from error


def _check(rows: Sequence[dict[str, Any]], path: Path) -> None:
    seen: set[str] = set()
    for row in rows:
        problem = _problem(row, seen)
        if problem:
            raise DatasetError(
                f"{path}: the row of {row['path']} {problem}. Run `dvc repro ingest` to make it again."
            )
        seen.add(row["id"])


def _problem(row: dict[str, Any], seen: set[str]) -> str | None:
    if len(row["id"]) != 64 or row["id"] in seen:
        return f"has the id {row['id']!r}, expected 64 hexadecimal digits that no other row has"
    if row["width"] < 1 or row["height"] < 1:
        return f"is {row['width']}x{row['height']} pixels, expected at least 1x1"
    if row["subset"] not in ("train", "test"):
        return f"has the subset {row['subset']!r}, expected train or test"
    strays = {region["tag"] for region in row["regions"]} - set(row["tags"])
    if strays:
        return f"has regions of {sorted(strays)} without these tags"
    return None


def read_photo(path: Path, image_id: str) -> bytes:
    """The bytes of a photo, which must be those that ingest read.

    Args:
        path: the file.
        image_id: SHA-256 of the bytes that are expected.

    Raises:
        DatasetError: the file vanished or changed after ingest.
    """
    try:
        _, data = read_file(path)
    except OSError as error:
        raise DatasetError(
            f"{path} could be read by ingest and cannot be now ({error.strerror}). Put it back, or run "
            "`dvc repro` to take the change in."
        ) from error
    if data is None or hashlib.sha256(data).hexdigest() != image_id:
        raise DatasetError(
            f"{path} is not the photo that it was when ingest read it. Put the old one back, or run "
            "`dvc repro` to take the change in."
        )
    return data


FOLD_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
    ]
)


def save_folds(path: Path, folds: Mapping[str, int]) -> None:
    """Write Parquet, rows sorted by id."""
    rows = [{"id": name, "fold": fold} for name, fold in sorted(folds.items())]
    with staged_file(path) as staged:
        pq.write_table(pa.Table.from_pylist(rows, schema=FOLD_SCHEMA), staged, compression="zstd")


def load_folds(path: Path) -> dict[str, int]:
    """Read the fold of each image id; `TEST_FOLD` for the user's own test set.

    Raises:
        DatasetError: the file is missing or has another schema.
    """
    table = read_table(path, FOLD_SCHEMA, "dvc repro split")
    return dict(zip(table["id"].to_pylist(), table["fold"].to_pylist(), strict=True))
