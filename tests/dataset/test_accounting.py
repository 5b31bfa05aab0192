from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dahlia.dataset import readers
from dahlia.dataset.readers.litter import file_litter, film_litter, folder_litter
from dahlia.errors import DatasetError

FOLDERS = ["cat", "dog", "train", "test", "Valid", "images", "@eaDir", "__MACOSX", ".git", "2024", "labels"]
FILES = [
    "1.jpg",
    "2.JPG",
    "3.png",
    "Thumbs.db",
    "notes.txt",
    "labels.csv",
    "a.json",
    "film.mov",
    "1.mov",
    "1.AAE",
    "1",
    "b.xml",
    "data.yaml",
    "1.txt",
    "x.bin",
]
TEXTS = {
    "labels.csv": "file,tag\n1.jpg,cat\ncat/1.jpg,cat\nimages/3.png,dog\n",
    "a.json": '{"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [], "categories": []}',
    "b.xml": "<annotation><filename>1.jpg</filename><object><name>cat</name></object></annotation>",
    "data.yaml": "names: [cat, dog]\n",
    "1.txt": "0 0.5 0.5 0.2 0.2\n",
}
PATHS = st.lists(
    st.tuples(st.lists(st.sampled_from(FOLDERS), max_size=3), st.sampled_from(FILES)), min_size=1, max_size=25
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PATHS, st.sampled_from(["auto", "folder", "csv", "voc", "yolo", "coco"]))
def test_every_file_is_accounted_for(paths: list[tuple[list[str], str]], format: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        for folders, file in paths:
            path = root.joinpath(*folders, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(TEXTS.get(file, "x"))
        try:
            found = readers.read(root, format)
        except DatasetError:
            return
        files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        assert sorted([*found.photos, *found.unlisted, *found.documents, *found.litter]) == files
        there = {one.path for one in found.annotations if one.path.exists()}
        assert there == {root / photo for photo in found.photos}
        assert found.accounted().startswith((f"{len(files)} files: ", "1 file: "))


@pytest.mark.parametrize(
    "name",
    [
        "@eaDir",
        "@EADIR",
        "#recycle",
        "$RECYCLE.BIN",
        "lost+found",
        "__MACOSX",
        ".ipynb_checkpoints",
        ".git",
        ".Trash-1000",
        "System Volume Information",
        "__pycache__",
        "~snapshot",
    ],
)
def test_folders_that_are_passed_over(tmp_path: Path, name: str) -> None:
    assert folder_litter(name)
    for path in (f"cat/{name}/1.jpg", f"{name}/cat/2.jpg", "cat/3.jpg", "dog/4.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    found = readers.read(tmp_path)
    assert found.tags == {"cat": 1, "dog": 1}
    assert sorted(found.litter) == sorted([f"cat/{name}/1.jpg", f"{name}/cat/2.jpg"])


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store",
        "._1.jpg",
        "Thumbs.db",
        "Thumbs.db:encryptable",
        "1.jpg:Zone.Identifier",
        "Icon\r",
        "ehthumbs.db",
        "desktop.ini",
        "1.AAE",
        "1.xmp",
        "1.jpg.xmp",
        "IMG_1.THM",
        "1.jpg~",
        "~$1.jpg",
        "Photos.lnk",
        "shared.url",
        "train.cache",
        "1.jpg.part",
        "1.jpg.crdownload",
        "README",
        "notes.docx",
    ],
)
def test_files_that_are_passed_over(name: str) -> None:
    assert file_litter(name)


@pytest.mark.parametrize("name", ["1.jpg", "Icon.png", "thumbs.png", "xmp.jpg", "readme.png", "a:b.jpg", "1"])
def test_files_that_may_be_photos(name: str) -> None:
    assert file_litter(name) is None


def test_a_film_beside_its_photo_is_passed_over(tmp_path: Path) -> None:
    assert film_litter("IMG_1.MOV", {"img_1"})
    assert film_litter("IMG_2.MOV", {"img_1"}) is None
    assert film_litter("IMG_1.gif", {"img_1"}) is None
    for name in ("cat/IMG_1.HEIC.jpg", "cat/IMG_2.jpg", "cat/IMG_2.MOV", "dog/3.jpg", "dog/3.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert readers.read(tmp_path).litter == {
        "cat/IMG_2.MOV": "left behind by a camera or an editor",
        "dog/3.mp4": "left behind by a camera or an editor",
    }


def test_what_cannot_be_listed_is_told(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/1.jpg").write_bytes(b"x")
    (tmp_path / "dog").symlink_to(tmp_path / "nowhere")
    (tmp_path / "cat/2.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "cat/3.jpg")
    found = readers.read(tmp_path)
    assert found.photos == ("cat/1.jpg", "cat/2.jpg", "dog")
    assert found.litter == {"cat/3.jpg": "neither a file nor a folder"}
