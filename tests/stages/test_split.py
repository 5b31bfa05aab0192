from __future__ import annotations

from collections import Counter
from pathlib import Path
from shutil import copy

import pytest
from photo_projects import make_params, plant, prepare
from PIL import Image

from dahlia import layout
from dahlia.dataset.manifest import TEST_FOLD, load_folds, load_manifest
from dahlia.errors import DatasetError
from dahlia.stages import split


def folds_by_path(root: Path) -> dict[str, int]:
    folds = load_folds(root / layout.FOLDS)
    records = load_manifest(root / layout.MANIFEST)
    return {
        record.path.removeprefix("data/photos/"): folds[record.id] for record in records if record.id in folds
    }


def test_every_usable_image_has_a_fold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = make_params(on_error="skip")
    photos = plant(tmp_path, ash=10, elm=10, test_ash=2) / "data/photos"
    Image.new("RGB", (900, 30), "green").save(photos / "elm" / "narrow.png")
    copy(photos / "ash" / "0.jpg", photos / "untagged.jpg")
    Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 9).save(photos / "untagged.jpg")
    split.run(params, prepare(tmp_path, params))
    folds = folds_by_path(tmp_path)
    assert {path for path, fold in folds.items() if fold == TEST_FOLD} == {"test/ash/0.jpg", "test/ash/1.jpg"}
    assert set(folds).isdisjoint({"elm/narrow.png", "untagged.jpg"})
    counts = Counter((path.split("/")[0], fold) for path, fold in folds.items() if fold != TEST_FOLD)
    assert counts == {(tag, fold): 2 for tag in ("ash", "elm") for fold in range(5)}
    assert capsys.readouterr().out.endswith("split: 20 images in 5 folds, 0 as before; 2 for testing\n")


def test_a_second_split_keeps_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = make_params()
    split.run(params, prepare(plant(tmp_path, ash=8, elm=8), params))
    before = folds_by_path(tmp_path)
    plant(tmp_path, ash=12, elm=8)
    (tmp_path / "data/photos/elm/3.jpg").unlink()
    split.run(params, prepare(tmp_path, params))
    after = folds_by_path(tmp_path)
    assert {path for path in after if path not in before} == {f"ash/{n}.jpg" for n in range(8, 12)}
    assert all(after[path] == fold for path, fold in before.items() if path != "elm/3.jpg")
    assert "15 as before" in capsys.readouterr().out


def test_near_duplicates_share_a_fold(tmp_path: Path) -> None:
    params = make_params()
    photos = plant(tmp_path, ash=10, elm=10) / "data/photos"
    for n in range(10):
        Image.open(photos / "ash" / f"{n}.jpg").save(photos / "ash" / f"again{n}.jpg", quality=60)
    split.run(params, prepare(tmp_path, params))
    folds = folds_by_path(tmp_path)
    assert all(folds[f"ash/{n}.jpg"] == folds[f"ash/again{n}.jpg"] for n in range(10))


def test_in_multilabel_images_without_tags_are_divided_too(tmp_path: Path) -> None:
    params = make_params(classification="multilabel", negative_tag="nothing")
    photos = plant(tmp_path, ash=6, elm=6, nothing=1) / "data/photos"
    Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 9).save(photos / "untagged.jpg")
    split.run(params, prepare(tmp_path, params))
    folds = folds_by_path(tmp_path)
    assert len(folds) == 14
    assert {folds["nothing/0.jpg"], folds["untagged.jpg"]} <= set(range(5))


def test_a_tag_of_near_duplicates_is_refused(tmp_path: Path) -> None:
    params = make_params()
    photos = plant(tmp_path, ash=8, elm=1) / "data/photos"
    for quality in (50, 60, 70, 80):
        Image.open(photos / "elm" / "0.jpg").save(photos / "elm" / f"{quality}.jpg", quality=quality)
    prepare(tmp_path, params)
    with pytest.raises(DatasetError, match=r"“elm”.*near_duplicate_bits"):
        split.run(params, tmp_path)
    assert not (tmp_path / layout.FOLDS).exists()
