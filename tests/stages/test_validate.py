from __future__ import annotations

import json
from pathlib import Path

import pytest
from photo_projects import make_params, plant

from dahlia import layout
from dahlia.dataset.exclusion import load_excluded
from dahlia.errors import DatasetError, ValidationError
from dahlia.stages import ingest, validate


def report(root: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((root / layout.REPORTS / "validation.json").read_text())
    return found


def test_a_sound_dataset_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ingest.run(make_params(), plant(tmp_path, ash=5, elm=5))
    validate.run(make_params(min_edge=32, advised_images_per_tag=5), tmp_path)
    assert report(tmp_path)["findings"] == []
    assert load_excluded(tmp_path / layout.EXCLUDED) == []
    assert capsys.readouterr().out.endswith(
        "validate: 10 images to use, 0 errors, 0 warnings, 0 pieces of advice\n"
    )


def test_errors_stop_after_the_reports_are_written(tmp_path: Path) -> None:
    photos = plant(tmp_path, ash=6, elm=5) / "data/photos"
    (photos / "ash" / "5.jpg").write_bytes(b"")
    ingest.run(make_params(), tmp_path)
    with pytest.raises(ValidationError, match=r"data/photos/ash/5\.jpg: an empty file") as caught:
        validate.run(make_params(), tmp_path)
    assert caught.value.exit_code == 2
    assert "reports/validation.html" in str(caught.value)
    assert report(tmp_path)["stops"] is True
    assert "data/photos/ash/5.jpg" in (tmp_path / "reports/validation.html").read_text()


def test_skip_sets_aside_and_says_how_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = plant(tmp_path, ash=6, elm=5) / "data/photos"
    (photos / "ash" / "5.jpg").write_bytes(b"")
    params = make_params(on_error="skip")
    ingest.run(params, tmp_path)
    validate.run(params, tmp_path)
    (row,) = load_excluded(tmp_path / layout.EXCLUDED)
    assert (row.path, row.id, row.code) == ("data/photos/ash/5.jpg", None, "zero-byte")
    assert capsys.readouterr().out.endswith("; set aside: 1\n")


def test_ingest_comes_first(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="dvc repro ingest"):
        validate.run(make_params(), tmp_path)
