"""Which photos of a YOLO dataset are learned from, and which are held out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.errors import DatasetError

NAMES = "names: [fork, spoon]\n"
ULTRALYTICS = ("images/train/a.jpg", "images/val/b.jpg", "images/test/c.jpg")
ROBOFLOW = ("train/images/a.jpg", "valid/images/b.jpg", "test/images/c.jpg")
FLAT = ("images/a.jpg", "images/b.jpg", "images/c.jpg")
ALL = {"a": "train", "b": "valid", "c": "test"}


def build(root: Path, photos: Sequence[str], files: dict[str, str]) -> Path:
    """Photos, each with a label file, and other files."""
    labels = {
        f"{photo.replace('images', 'labels').rpartition('.')[0]}.txt": "0 .5 .5 .2 .2\n" for photo in photos
    }
    for name, text in {**dict.fromkeys(photos, ""), **labels, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    return root


def splits(root: Path, format: str = "auto") -> dict[str, str | None]:
    reading = readers.read(root, format)
    assert reading.format == "yolo"
    return {one.path.stem: one.split for one in reading.annotations}


@pytest.mark.parametrize(
    ("photos", "name", "text"),
    [
        (ULTRALYTICS, "data.yaml", "path: .\ntrain: images/train\nval: images/val\ntest: images/test\n"),
        (ULTRALYTICS, "coco128.yaml", "path: ../datasets/coco128\ntrain: images/train\nval: images/val\n"
         "test: images/test\n"),
        (ULTRALYTICS, "custom.yml", "path: /home/eva/shapes\ntrain: images/train\nval: images/val\n"
         "test: images/test\n"),
        (ULTRALYTICS, "Data.YAML", "train: ./images/train/\nval: ./images/val/\ntest: ./images/test/\n"),
        (ULTRALYTICS, "data.yaml", "train: [images/train]\nval:\n  - images/val\ntest: [images/test]\n"),
        (ULTRALYTICS, "data.yaml", "train: train/images\nval: val/images\ntest: test/images\n"),
        (ULTRALYTICS, "data.yaml", "train: train\nval: val\ntest: test\n"),
        (ULTRALYTICS, "data.yaml", "train: images/training\nval: images/valid\ntest: images/testing\n"),
        (ULTRALYTICS, "data.yaml", r"""
train: C:\Users\Eva\shapes\images\train
val: "D:\\shapes\\images\\val"
test: images\test
"""),
        (ULTRALYTICS, "data.yaml", "path: ~/datasets/shapes\r\ntrain: images/train\r\nval: images/val\r\n"
         "test: images/test\r\n"),
        (ULTRALYTICS, "data.yaml", "\ufefftrain: images/train\nval: images/val\ntest: images/test\n"),
        (ROBOFLOW, "data.yaml", "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"),
        (ROBOFLOW, "data.yaml", "train: ../../train/images\nval: ../valid/images\ntest: ../test/images\n"),
        (ROBOFLOW, "data.yaml", "train: shapes-3/train/images\nval: shapes-3/valid/images\n"
         "test: shapes-3/test/images\n"),
        (ROBOFLOW, "data.yaml", "train: /content/shapes-3/train/images\nval: /content/shapes-3/valid/images\n"
         "test: /content/shapes-3/test/images\n"),
        (ROBOFLOW, "data.yaml", "train: images/train\nval: images/val\ntest: images/test\n"),
        (ROBOFLOW, "shapes-3/data.yaml", "train: train/images\nval: valid/images\ntest: test/images\n"),
        (
            ("shapes/train/images/a.jpg", "shapes/valid/images/b.jpg", "shapes/test/images/c.jpg"),
            "shapes/data.yaml",
            "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n",
        ),
        (
            ("x/shapes/images/train2017/a.jpg", "x/shapes/images/val2017/b.jpg",
             "x/shapes/images/test2017/c.jpg"),
            "x/shapes.yaml",
            "path: shapes\ntrain: images/train2017\nval: images/val2017\ntest: images/test2017\n",
        ),
        (
            ("train/a.jpg", "valid/b.jpg", "test/c.jpg"),
            "data.yaml",
            "train: train\nval: valid\ntest: test\n",
        ),
        (
            ("images/first/a.jpg", "images/second/b.jpg", "images/third/c.jpg"),
            "data.yaml",
            "train: images/first\nval: images/second\ntest: images/third\n",
        ),
        (
            ("images/a.jpg", "images/second/b.jpg", "images/third/c.jpg"),
            "data.yaml",
            "train: images\nval: images/second\ntest: images/third\n",
        ),
    ],
)  # fmt: skip
def test_folders(tmp_path: Path, photos: tuple[str, ...], name: str, text: str) -> None:
    found = splits(build(tmp_path, photos, {name: text + NAMES}))
    assert found == ALL


@pytest.mark.parametrize(
    ("description", "lists"),
    [
        (
            "train: train.txt\nval: val.txt\ntest: test.txt\n",
            {"train.txt": "images/a.jpg\n", "val.txt": "images/b.jpg", "test.txt": "\nimages/c.jpg\n\n"},
        ),
        (
            "path: ../shapes\ntrain: train.txt\nval: val.txt\ntest: test.txt\n",
            {
                "train.txt": "./images/a.jpg\r\n",
                "val.txt": "./images/b.jpg\r\n",
                "test.txt": "./images/c.jpg",
            },
        ),
        (
            "train: lists/train.txt\nval: lists/val.txt\ntest: lists/test.txt\n",
            {
                "lists/train.txt": "../images/a.jpg",
                "lists/val.txt": "images/b.jpg",
                "lists/test.txt": "\ufeffc.jpg\n",
            },
        ),
        (
            "train: /home/eva/shapes/train.txt\nval: C:\\shapes\\val.txt\ntest: ../test.txt\n",
            {
                "train.txt": "/home/eva/shapes/images/a.jpg\n",
                "val.txt": "C:\\shapes\\images\\b.jpg\n",
                "test.txt": "../shapes/images/c.JPG\n",
            },
        ),
        (
            "train: [more.txt, train.txt]\nval: val.txt\ntest: test.txt\n",
            {
                "more.txt": "",
                "train.txt": "images/a.jpg\n",
                "val.txt": "images/b",
                "test.txt": "images/c.png",
            },
        ),
        (
            "train: images\nval: val.txt\ntest: test.txt\n",
            {"val.txt": "images/b.jpg", "test.txt": "images/c.jpg"},
        ),
    ],
)
def test_text_files(tmp_path: Path, description: str, lists: dict[str, str]) -> None:
    found = splits(build(tmp_path, FLAT, {"data.yaml": description + NAMES, **lists}))
    assert found == ALL


def test_darknet(tmp_path: Path) -> None:
    files = {
        "obj.data": "classes = 2\ntrain = data/train.txt\nvalid = data/test.txt\nnames = data/obj.names\n",
        "obj.names": "fork\nspoon\n",
        "train.txt": "data/obj_train_data/a.jpg\n",
        "test.txt": "data/obj_train_data/b.jpg\n",
        "obj_train_data/a.txt": "1 .5 .5 .2 .2\n",
    }
    reading = readers.read(build(tmp_path, ("obj_train_data/a.jpg", "obj_train_data/b.jpg"), files))
    assert [(one.split, one.tags) for one in reading.annotations] == [
        ("train", ("spoon",)),
        ("valid", ("fork",)),
    ]
    assert (
        reading.recognised() == "YOLO with the splits of obj.data: train 1, valid 1 photo; tags fork, spoon"
    )


def test_what_is_in_no_split_is_set_aside(tmp_path: Path) -> None:
    photos = ("images/train/a.jpg", "images/later/b.jpg", "c.jpg")
    text = "train: images/train\nval: images/train\ntest: images/test\n" + NAMES
    reading = readers.read(build(tmp_path, photos, {"data.yaml": text}))
    assert [one.path.stem for one in reading.annotations] == ["a"]
    assert reading.unlisted == ("c.jpg", "images/later/b.jpg")
    assert [(note.code, note.found) for note in reading.notes] == [
        ("missing-split", "data.yaml names `test`: 'images/test'"),
        ("unlisted-photo", "2 photos without an annotation"),
    ]


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        (
            "train: images/train\nval: images/test\ntest: images/test\n",
            {"a": "train", "c": "test"},
            "data.yaml: `val` and `test` name the same 1 photo: for testing",
        ),
        (
            "train: images/train\nval: images/train\ntest: images/train\n",
            {"a": "train"},
            "data.yaml: `train` and `test` name the same 1 photo: for training",
        ),
    ],
)
def test_shared_splits(tmp_path: Path, text: str, expected: dict[str, str], found: str) -> None:
    root = build(tmp_path, ("images/train/a.jpg", "images/test/c.jpg"), {"data.yaml": text + NAMES})
    reading = readers.read(root)
    assert {one.path.stem: one.split for one in reading.annotations} == expected
    assert reading.notes[0].code == "shared-split"
    assert reading.notes[0].found == found


@pytest.mark.parametrize(
    ("photos", "text", "expected"),
    [
        (ROBOFLOW, "train: nowhere/else\nval: nor/there\n", ALL),
        (FLAT, "train: images/train\nval: images/val\n", {"a": None, "b": None, "c": None}),
        (FLAT, "train:\nval: ~\ntest: null\n", {"a": None, "b": None, "c": None}),
        (ROBOFLOW, "nc: 2\n", ALL),
        (FLAT, "test: test.txt\n", {"a": None, "b": "test", "c": None}),
        (ULTRALYTICS, "test: images/val\n", {"a": "train", "b": "test", "c": "test"}),
    ],
)
def test_folders_decide_where_nothing_is_named(
    tmp_path: Path, photos: tuple[str, ...], text: str, expected: dict[str, str | None]
) -> None:
    files = {"data.yaml": text + NAMES, **({"test.txt": "images/b.jpg"} if "txt" in text else {})}
    assert splits(build(tmp_path, photos, files)) == expected


@pytest.mark.parametrize(
    ("photos", "files", "message"),
    [
        (
            FLAT,
            {"data.yaml": "train: a/train\ntest: a/test\n"},
            r"data\.yaml: expected the photos of each split",
        ),
        (
            ULTRALYTICS,
            {"data.yaml": "train: frames.txt\nval: images/val\n"},
            "`train`: 'frames.txt', which is not",
        ),
        (
            FLAT,
            {"data.yaml": "train: train.txt\ntest: images\n", "train.txt": "images/a.jpg"},
            r"images/a\.jpg is named both in `train` and in `test`",
        ),
        (
            FLAT,
            {
                "data.yaml": "train: train.txt\ntest: test.txt\n",
                "train.txt": "images/a.jpg\nimages/b.jpg",
                "test.txt": "images/b.jpg",
            },
            r"images/b\.jpg is named both",
        ),
        (FLAT, {"data.yaml": "train: {a: b}\n"}, "`train`: expected a folder or a text file"),
        (FLAT, {"data.yaml": "path: [a]\n"}, "`path`: expected a folder"),
        (
            FLAT,
            {"data.yaml": "train: images\n", "other.yaml": "nc: 1\nnames: [knife]\n"},
            r"received data\.yaml and other\.yaml in .*, which differ",
        ),
    ],
)
def test_what_cannot_be_told(
    tmp_path: Path, photos: tuple[str, ...], files: dict[str, str], message: str
) -> None:
    described = {"data.yaml": files["data.yaml"] + NAMES}
    with pytest.raises(DatasetError, match=message):
        readers.read(build(tmp_path, photos, {**files, **described}))


def test_listed_photos_that_are_not_there_are_missing_files(tmp_path: Path) -> None:
    files = {
        "data.yaml": "train: train.txt\n" + NAMES,
        "train.txt": "images/a.jpg\nimages/aa.jpg\n/x/quite-another.jpg",
    }
    reading = readers.read(build(tmp_path, FLAT, files))
    assert [(one.path.name, one.path.exists(), one.hint) for one in reading.annotations] == [
        ("a.jpg", True, ""),
        ("aa.jpg", False, "the nearest is images/a.jpg"),
        ("quite-another.jpg", False, ""),
    ]
    assert reading.unlisted == ("images/b.jpg", "images/c.jpg")


def test_the_yaml_file_itself_is_a_source(tmp_path: Path) -> None:
    files = {
        "one.yaml": "train: images/train\nnames: {0: a}",
        "two.yaml": "train: images/train\nnames: {0: b}",
    }
    reading = readers.read(build(tmp_path, ("images/train/a.jpg",), files) / "two.yaml")
    assert reading.recognised() == "YOLO with the splits of two.yaml: train 1 photo; tags b"


def test_descriptions_that_contradict_each_other(tmp_path: Path) -> None:
    files = {
        "one/data.yaml": "train: ../images/train\n" + NAMES,
        "two/data.yaml": "test: ../images/train\n" + NAMES,
    }
    with pytest.raises(DatasetError, match=r"a\.jpg is in `test` here and in `train` in another description"):
        readers.read(build(tmp_path, ("images/train/a.jpg",), files))


def test_labels_that_no_description_is_about(tmp_path: Path) -> None:
    files = {"one/data.yaml": "names: [a]", "two/data.yaml": "names: [b]"}
    photos = ("one/images/a.jpg", "two/images/b.jpg", "three/images/c.jpg")
    with pytest.raises(DatasetError, match=r"three/labels/c\.txt: expected the names of its classes"):
        readers.read(build(tmp_path, photos, files))


def test_exports_side_by_side_keep_their_names(tmp_path: Path) -> None:
    files = {
        "one/data.yaml": "train: ../train/images\ntest: ../test/images\nnames: [fork]\n",
        "two/data.yaml": "train: ../train/images\nnames: [spoon]\n",
    }
    photos = ("one/train/images/a.jpg", "one/test/images/b.jpg", "two/train/images/c.jpg")
    found = readers.read(build(tmp_path, photos, files)).annotations
    assert [(one.path.stem, one.tags, one.split) for one in found] == [
        ("b", ("fork",), "test"),
        ("a", ("fork",), "train"),
        ("c", ("spoon",), "train"),
    ]
