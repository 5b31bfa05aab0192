"""Folds: who is held out together, stratified by tag and stable from one split to the next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dahlia.dataset.manifest import read_table
from dahlia.files import staged_file

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
    ]
)
TEST_FOLD = -1  # the user's own test set, as in `dahlia.modeling.predictions`


def save_folds(path: Path, folds: Mapping[str, int]) -> None:
    """Write Parquet, rows sorted by id."""
    rows = [{"id": name, "fold": fold} for name, fold in sorted(folds.items())]
    with staged_file(path) as staged:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), staged, compression="zstd")


def load_folds(path: Path) -> dict[str, int]:
    """Read the fold of each image id; `TEST_FOLD` for the user's own test set.

    Raises:
        DatasetError: the file is missing or has another schema.
    """
    table = read_table(path, SCHEMA, "dvc repro split")
    return dict(zip(table["id"].to_pylist(), table["fold"].to_pylist(), strict=True))
