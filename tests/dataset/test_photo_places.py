from __future__ import annotations

from pathlib import Path

import pytest

from annotated_sources import lay
from dahlia.dataset.readers.splits import photo_places, splits_of_documents
from dahlia.dataset.readers.tree import Tree


def tree(root: Path, photos: list[str]) -> Tree:
    return Tree(lay(root, dict.fromkeys(photos)).resolve())


@pytest.mark.parametrize(
    ("splits", "photos"),
    [
        ({"train.json": "train", "val.json": "valid"}, ["1.png"]),
        ({"instances_train2017.json": "train", "instances_val2017.json": "valid"}, ["1.png"]),
        ({"a/TRAIN.coco.json": "train", "a/Test_Annotations.json": "test"}, ["1.png"]),
        ({"train/_annotations.coco.json": "train", "test/_annotations.coco.json": "test"}, ["1.png"]),
        ({"birds_train_v2.json": "train", "birds_test_v2.json": "test"}, ["1.png"]),
        ({"birds_train_v2.json": None, "more.json": None}, ["1.png"]),
        # One file alone, with more words in its name, is all there is.
        ({"labels_test-project_2024-05-01.json": None}, ["1.png"]),
        ({"my_test_1.json": None, "my_test_2.json": None}, ["1.png"]),
        ({"test.json": "test"}, ["1.png"]),
        ({"valid/my_test_2.json": "valid"}, ["1.png"]),
        # A file for each photo has the photo's name.
        ({"train_001.json": None, "test_001.json": None}, ["train_001.png", "test_001.png"]),
        ({"labels/test.json": None, "labels/train.json": None}, ["images/test.png", "images/Train.jpg"]),
        ({"val/test_001.json": "valid"}, ["val/test_001.png"]),
    ],
)
def test_splits_of_documents(tmp_path: Path, splits: dict[str, str | None], photos: list[str]) -> None:
    assert splits_of_documents(tree(tmp_path, photos), list(splits)) == splits


@pytest.mark.parametrize(
    ("document", "split", "photos", "places"),
    [
        ("a.json", None, ["1.png"], [""]),
        ("a.json", None, ["images/1.png", "cat/1.png"], ["", "images"]),
        ("a.json", None, ["IMG/1.png", "a/1.png"], ["a", "", "IMG"]),
        (
            "annotations/instances_train2017.json",
            "train",
            ["train2017/1.png", "val2017/1.png"],
            ["train2017", "", "annotations"],
        ),
        ("train.json", "train", ["Training/images/1.png"], ["Training", "Training/images", ""]),
        (
            "x/annotations/val.json",
            "valid",
            ["x/images/val/1.png", "y/val/1.png"],
            ["x/images/val", "x", "x/images", "x/annotations"],
        ),
        ("train/labels/1.json", None, ["train/images/1.png"], ["train", "train/images", "train/labels"]),
        ("val/_annotations.coco.json", "valid", ["val/1.png", "train/1.png"], ["val"]),
    ],
)
def test_places(
    tmp_path: Path, document: str, split: str | None, photos: list[str], places: list[str]
) -> None:
    assert photo_places(tree(tmp_path, photos), document, split) == places  # type: ignore[arg-type]
