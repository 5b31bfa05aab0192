"""Ingest, validation and folds of a project of detection, on files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from photo_projects import make_params, prepare
from PIL import Image

from dahlia import layout
from dahlia.dataset.exclusion import load_excluded
from dahlia.dataset.manifest import TEST_FOLD, load_folds, load_manifest
from dahlia.stages import split

LINE = "{name}.png,{tag},{left:.3f},{top:.3f},0.3,0.4\n"
PARAMS = make_params(domain="detection_general_compact", source="data/photos", min_edge=32)


def draw(root: Path, name: str, seed: list[int], nudge: int = 0) -> None:
    path = root / "data" / "photos" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 200, (8, 10, 3), np.uint8) + nudge
    Image.fromarray(pixels.astype(np.uint8)).resize((64, 48), Image.Resampling.NEAREST).save(path)


def rows(name: str, number: int, *tags: str) -> str:
    places = [(0.02 + 0.07 * ((number + at * 3) % 9), 0.05 * ((number + at) % 10)) for at in range(len(tags))]
    return "".join(
        LINE.format(name=name, tag=tag, left=left, top=top)
        for tag, (left, top) in zip(tags, places, strict=True)
    )


def garden(root: Path, photos: int = 20, empty: int = 10) -> Path:
    """Photos with two tags, each fourth with a third; photos without objects; and one that nobody names."""
    table = "file,tag,left,top,width,height\n"
    for n in range(photos):
        draw(root, f"p{n}", [1, n])
        table += rows(f"p{n}", n, "fork", *(["spoon"] if n % 2 else []), *(["knife"] if n % 4 == 0 else []))
    for n in range(empty):
        draw(root, f"empty{n}", [2, n])
        table += f"empty{n}.png,,,,,\n"
    draw(root, "unnamed", [3])
    (root / "data" / "photos" / "regions.csv").write_text(table, encoding="utf-8")
    return root


def folds(root: Path) -> dict[str, int]:
    """The fold of each photo by its name."""
    split.run(PARAMS, root)
    found = load_folds(root / layout.FOLDS)
    records = load_manifest(root / layout.MANIFEST)
    return {Path(record.path).stem: found[record.id] for record in records if record.id in found}


def add(root: Path, text: str) -> None:
    table = root / "data" / "photos" / "regions.csv"
    table.write_text(table.read_text() + text)


def test_folds_have_the_same_share_of_each_tag_and_of_photos_without_objects(tmp_path: Path) -> None:
    root = prepare(garden(tmp_path), PARAMS)
    found = folds(root)
    assert set(Counter(fold for name, fold in found.items() if name.startswith("empty")).values()) == {2}
    assert set(Counter(found[f"p{n}"] for n in range(20)).values()) == {4}
    for tagged in (range(1, 20, 2), range(0, 20, 4)):
        counts = Counter(found[f"p{n}"] for n in tagged)
        assert max(counts.values()) - min(counts.get(fold, 0) for fold in range(5)) <= 1
    assert "unnamed" not in found


def test_boxes_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = prepare(garden(tmp_path), PARAMS)
    assert "validate: 30 photos with 35 boxes (10 without any) to use, 0 errors" in capsys.readouterr().out
    report = json.loads((root / layout.REPORTS / "validation.json").read_text())
    assert report["boxes"]["knife"] == {"train": 5, "test": 0}
    assert report["background"] == 10


def test_photos_keep_their_folds(tmp_path: Path) -> None:
    first = folds(prepare(garden(tmp_path), PARAMS))
    for n in range(5):
        draw(tmp_path, f"late{n}", [4, n])
        add(tmp_path, rows(f"late{n}", n, "spoon"))
    second = folds(prepare(tmp_path, PARAMS))
    assert len(second) == len(first) + 5
    assert {name: second[name] for name in first} == first


def test_near_duplicates_share_a_fold_whatever_is_boxed(tmp_path: Path) -> None:
    garden(tmp_path)
    draw(tmp_path, "again", [1, 3], nudge=9)
    add(tmp_path, "again.png,,,,,\n")
    found = folds(prepare(tmp_path, PARAMS))
    assert found["again"] == found["p3"]


def test_a_named_group_shares_a_fold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = garden(tmp_path) / "data" / "photos" / "regions.csv"
    header, *lines = table.read_text().splitlines()
    plots = {
        line: f"plot {int(line[1 : line.index('.')]) // 2}" if line.startswith("p") else "" for line in lines
    }
    table.write_text("\n".join([f"{header},group", *(f"{line},{plots[line]}" for line in lines)]))
    found = folds(prepare(tmp_path, PARAMS))
    assert all(found[f"p{n}"] == found[f"p{n + 1}"] for n in range(0, 20, 2))
    assert len({found[f"p{n}"] for n in range(20)}) == 5
    assert "divided" not in capsys.readouterr().out


def test_groups_that_leave_too_little_are_divided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = garden(tmp_path) / "data" / "photos" / "regions.csv"
    header, *lines = table.read_text().splitlines()
    groups = ["bench" if ",knife," in line else "" for line in lines]  # all photos of a tag in one group
    table.write_text("\n".join([f"{header},group", *map(",".join, zip(lines, groups, strict=True))]))
    found = folds(prepare(tmp_path, PARAMS))
    assert len({found[f"p{n}"] for n in range(0, 20, 4)}) == 5
    assert "split: divided, since folds need more groups: bench" in capsys.readouterr().out


def test_a_photo_with_a_tag_and_no_box_is_in_no_fold(tmp_path: Path) -> None:
    garden(tmp_path)
    draw(tmp_path, "unboxed", [5])
    add(tmp_path, "unboxed.png,fork,,,,\n")
    assert "unboxed" not in folds(prepare(tmp_path, PARAMS))
    assert [row.code for row in load_excluded(tmp_path / layout.EXCLUDED)] == ["tag-without-box"]


def test_the_test_set_is_in_no_fold(tmp_path: Path) -> None:
    garden(tmp_path)
    for n in range(2):
        draw(tmp_path, f"test/t{n}", [6, n])
        add(tmp_path, rows(f"test/t{n}", n, *["fork"][: 1 - n]) or f"test/t{n}.png,,,,,\n")
    found = folds(prepare(tmp_path, PARAMS))
    assert found["t0"] == found["t1"] == TEST_FOLD
    assert list(found.values()).count(TEST_FOLD) == 2


@pytest.mark.parametrize(
    ("photos", "empty", "expected"), [(6, 0, "6 images in 5 folds"), (3, 8, "11 images")]
)
def test_few_photos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], photos: int, empty: int, expected: str
) -> None:
    table = garden(tmp_path, 0, empty) / "data" / "photos" / "regions.csv"
    for n in range(photos):
        draw(tmp_path, f"p{n}", [1, n])
        table.write_text(table.read_text() + rows(f"p{n}", n, "fork", "fork"))
    folds(prepare(tmp_path, PARAMS))
    assert expected in capsys.readouterr().out
