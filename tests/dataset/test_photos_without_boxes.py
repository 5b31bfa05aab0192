"""Photos and no file with boxes, where boxes are to be learned."""

from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.errors import DatasetError


@pytest.mark.parametrize("format", ["auto", "folder"])
def test_a_file_with_boxes_is_expected(tmp_path: Path, format: str) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match="found 3 photos and no file with boxes") as refusal:
        readers.read(tmp_path, format, boxed=lambda: True)
    assert "regions.csv" in str(refusal.value)
    assert "folder per tag" not in str(refusal.value)
    with pytest.raises(DatasetError, match="folder per tag"):
        readers.read(tmp_path, format)


def test_what_may_be_annotations_is_named_still(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(b"x")
    (tmp_path / "boxes.xlsx").write_bytes(b"x")
    with pytest.raises(DatasetError, match="spreadsheet"):
        readers.read(tmp_path, boxed=lambda: True)
