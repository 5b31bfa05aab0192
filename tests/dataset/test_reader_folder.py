from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.errors import DatasetError

LITTER = (
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    "README",
    "a.TXT",
    "a.json",
    "a.jsonl",
    "a.xml",
    ".hidden/1.jpg",
)


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cat/1.jpg", "dog/2.jpg"], ["cat/1.jpg cat train", "dog/2.jpg dog train"]),
        (["cat/a/b/1.jpg"], ["cat/a/b/1.jpg cat train"]),
        (["cat/1.jpg", "test/cat/2.jpg"], ["cat/1.jpg cat train", "test/cat/2.jpg cat test"]),
        (["cat/1.jpg", "2.jpg"], ["2.jpg  train", "cat/1.jpg cat train"]),
        (["train/cat/1.jpg", "test/cat/2.jpg"], ["test/cat/2.jpg cat test", "train/cat/1.jpg cat train"]),
        (["train/cat/1.jpg", "val/cat/2.jpg"], ["train/cat/1.jpg cat train", "val/cat/2.jpg cat train"]),
        (["train/1.jpg", "plane/2.jpg"], ["plane/2.jpg plane train", "train/1.jpg train train"]),
        (
            ["cat/1.tiff", "cat/2", "cat/3.mp4"],
            ["cat/1.tiff cat train", "cat/2 cat train", "cat/3.mp4 cat train"],
        ),
        (
            ["cat/1.jpg", *(f"cat/{name}" for name in LITTER), ".git/1.jpg", "__MACOSX/1.jpg", "notes.md"],
            ["cat/1.jpg cat train"],
        ),
        (["cat/1.jpg", "empty/"], ["cat/1.jpg cat train"]),
        ([" tabby cat /1.jpg"], [" tabby cat /1.jpg tabby cat train"]),
    ],
)
def test_load(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    found = readers.read(tree(tmp_path, *names), "folder").annotations
    root = tmp_path.resolve()
    lines = [
        f"{entry.path.relative_to(root).as_posix()} {','.join(entry.tags)} {entry.subset}" for entry in found
    ]
    assert lines == expected
    assert {entry.source for entry in found} == {"folder"}


def test_tags_are_composed(tmp_path: Path) -> None:
    tree(tmp_path, unicodedata.normalize("NFD", "Möwe/1.jpg"))
    assert readers.read(tmp_path, "folder").annotations[0].tags == (unicodedata.normalize("NFC", "Möwe"),)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], "found no folder and 0 files directly in it"),
        (["1.jpg", "2.jpg"], "found no folder and 2 files directly in it"),
        (["cat/", "dog/"], r"found 2 folders without photos \(cat, dog\) and 0 files"),
    ],
)
def test_no_tagged_images(tmp_path: Path, names: list[str], found: str) -> None:
    source = tree(tmp_path / "photos", *names) if names else tmp_path
    with pytest.raises(DatasetError, match=found) as caught:
        readers.read(source, "folder")
    assert f"Put photos in {source}/<tag>/" in str(caught.value)
