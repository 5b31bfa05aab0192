from __future__ import annotations

import os
from pathlib import Path

import pytest

from dahlia.dataset.inspection import load_inspection, save_inspection
from dahlia.dataset.inspector import inspect
from dahlia.dataset.records import Annotation, Region, project_path
from dahlia.errors import DatasetError
from validation_photos import encoded, photo, write


def test_round_trip(tmp_path: Path) -> None:
    region = Region("rose", 0.1, 0.2, 0.3, 0.4)
    path = write(tmp_path / "b.jpg", encoded(photo(1)))
    said = [
        Annotation(tmp_path / "a.jpg", ("rose",), source="labels.csv:2"),
        Annotation(path, ("rose", "elm"), (region,), "test"),
    ]
    rows = [inspect(annotation, tmp_path, max_bytes=100_000) for annotation in said]
    save_inspection(tmp_path / "inspection.parquet", list(reversed(rows)))
    assert load_inspection(tmp_path / "inspection.parquet") == rows


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/garden/photos/rose/1.jpg", "photos/rose/1.jpg"), ("/elsewhere/1.jpg", "/elsewhere/1.jpg")],
)
def test_paths_are_relative_inside_the_project(path: str, expected: str) -> None:
    assert project_path(Path(path), Path("/garden")) == expected


def test_a_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(DatasetError, match="Rename the file"):
        project_path(Path(os.fsdecode(b"/garden/r\xf6se.jpg")), Path("/garden"))
