from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dahlia.dataset.inspection import load_inspection, save_inspection, uninspected
from dahlia.dataset.manifest import fingerprint, load_manifest, save_manifest
from dahlia.dataset.records import Annotation, ImageRecord, Region, row_of
from dahlia.errors import DatasetError

ONE = ImageRecord("a" * 64, "a.jpg", 8, 8, ("oak",), (), "train", "folder", "0" * 16)
TWO = replace(ONE, id="b" * 64, path="b.jpg", group="garden a")


def test_groups_are_kept(tmp_path: Path) -> None:
    save_manifest(tmp_path / "manifest.parquet", [TWO, ONE])
    assert load_manifest(tmp_path / "manifest.parquet") == [ONE, TWO]


def test_files_of_before_groups_are_read(tmp_path: Path) -> None:
    manifest, inspection = tmp_path / "manifest.parquet", tmp_path / "inspection.parquet"
    save_manifest(manifest, [ONE])
    rows = [uninspected(Annotation(tmp_path / "a.jpg", ("oak",)), tmp_path)]
    save_inspection(inspection, rows)
    for path, column in ((manifest, "group"), (inspection, "orientation"), (inspection, "group")):
        pq.write_table(pq.read_table(path).drop_columns(column), path)
        assert load_manifest(manifest) == [ONE]
        assert load_inspection(inspection) == rows


def test_a_manifest_without_another_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    save_manifest(path, [ONE])
    pq.write_table(pq.read_table(path).drop_columns("phash"), path)
    with pytest.raises(DatasetError, match="dvc repro ingest"):
        load_manifest(path)


def test_groups_do_not_change_what_is_learned_from() -> None:
    assert fingerprint([ONE, TWO]) == fingerprint([ONE, replace(TWO, group=None)])


def test_rows_are_what_dataclasses_give() -> None:
    regions = (Region("ash", 0.1, 0.2, 0.3, 0.4), Region("elm", 0.0, 0.0, 1.0, 1.0))
    record = ImageRecord(
        "a" * 64, "a.jpg", 3, 4, ("ash", "elm"), regions, "train", "folder", "0" * 16, "hill"
    )
    expected = asdict(record)
    assert row_of(record) == expected | {"regions": list(expected["regions"])}
