from __future__ import annotations

from pathlib import Path

import pytest
from photo_projects import make_params, plant

from dahlia import layout
from dahlia.dataset.inspection import load_inspection
from dahlia.dataset.manifest import load_manifest
from dahlia.dataset.source_summary import load_summary
from dahlia.errors import DatasetError
from dahlia.stages import ingest


def test_manifest_and_inspection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = plant(tmp_path, ash=3, elm=2, test_elm=1) / "data/photos"
    (photos / "ash" / "copy.jpg").write_bytes((photos / "ash" / "0.jpg").read_bytes())
    (photos / "ash" / "broken.jpg").write_bytes(b"no image")
    ingest.run(make_params(), tmp_path)
    records = load_manifest(tmp_path / layout.MANIFEST)
    assert sorted((record.path, record.tags, record.subset) for record in records) == [
        ("data/photos/ash/0.jpg", ("ash",), "train"),
        ("data/photos/ash/1.jpg", ("ash",), "train"),
        ("data/photos/ash/2.jpg", ("ash",), "train"),
        ("data/photos/elm/0.jpg", ("elm",), "train"),
        ("data/photos/elm/1.jpg", ("elm",), "train"),
        ("data/photos/test/elm/0.jpg", ("elm",), "test"),
    ]
    rows = load_inspection(tmp_path / layout.INSPECTION)
    assert [row.path for row in rows if row.problem] == ["data/photos/ash/broken.jpg"]
    assert len(rows) == 8
    assert capsys.readouterr().out.splitlines() == [
        "ingest: a folder per tag, and a test set: train 7, test 1 photo; tags ash, elm",
        "ingest: 8 files: 8 with an annotation",
        "ingest: 6 images, 2 tags, 1 unreadable",
    ]
    summary = load_summary(tmp_path / layout.SOURCE)
    assert summary is not None
    assert summary.splits == {"train": 7, "test": 1}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_files_give_the_same_bytes(tmp_path: Path, workers: int) -> None:
    plant(tmp_path, ash=40, elm=40)
    ingest.run(make_params(), tmp_path)
    before = [(tmp_path / name).read_bytes() for name in (layout.MANIFEST, layout.INSPECTION)]
    ingest.run(make_params(workers=workers), tmp_path)
    assert [(tmp_path / name).read_bytes() for name in (layout.MANIFEST, layout.INSPECTION)] == before


def test_what_the_stages_write_is_not_read_as_images(tmp_path: Path) -> None:
    photos = plant(tmp_path, ash=2) / "data/photos"
    (photos / "ash").rename(tmp_path / "data/ash")
    photos.rmdir()
    for _ in range(2):
        ingest.run(make_params(source="data"), tmp_path)
        assert len(load_inspection(tmp_path / layout.INSPECTION)) == 2


def test_a_source_outside_the_project(tmp_path: Path) -> None:
    photos = plant(tmp_path / "elsewhere", ash=1) / "data/photos"
    (tmp_path / "project").mkdir()
    ingest.run(make_params(source=str(photos)), tmp_path / "project")
    (record,) = load_manifest(tmp_path / "project" / layout.MANIFEST)
    assert record.path == (photos / "ash/0.jpg").as_posix()


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"ingest\.source"):
        ingest.run(make_params(), tmp_path)
    assert not (tmp_path / layout.MANIFEST).exists()
