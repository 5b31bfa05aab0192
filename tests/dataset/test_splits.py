from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.dataset.readers.splits import split_folders, split_in, split_of, split_of_document
from dahlia.errors import DatasetError


def plant(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("TRAIN", "train"),
        ("Training", "train"),
        ("train2017", "train"),
        ("train_images", "train"),
        ("TrainSet", "train"),
        ("training-data", "train"),
        ("trainval", "train"),
        ("val", "valid"),
        ("valid", "valid"),
        ("Validation", "valid"),
        ("val2017", "valid"),
        ("dev", "valid"),
        ("test", "test"),
        ("Testing", "test"),
        ("test2007", "test"),
        ("imagesTest", "test"),
        ("eval", "test"),
        ("train station", None),
        ("test tube", None),
        ("rain", None),
        ("testament", None),
        ("train-test", None),
        ("contest", None),
        ("seg_train", None),
        ("cat", None),
        ("", None),
    ],
)
def test_names_of_splits(name: str, split: str | None) -> None:
    assert split_of(name) == split


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_train2017.json", "train"),
        ("birds-val.json", "valid"),
        ("test_annotations.csv", "test"),
        ("my_test_birds_v2.json", "test"),
        ("train_test_split.csv", None),
        ("labels.csv", None),
    ],
)
def test_names_of_annotation_files(name: str, split: str | None) -> None:
    assert split_of_document(name) == split


def test_the_innermost_folder_decides() -> None:
    assert split_in(["test", "images", "train"]) == "train"
    assert split_in(["cat", "images"]) is None


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["seg_train", "seg_test", "seg_pred"], {"seg_train": "train", "seg_test": "test"}),
        (["seg_train", "cat"], {}),
        (["train station", "airport"], {}),
        (["train", "test tube"], {"train": "train"}),
        (["birds-train", "birds-val"], {"birds-train": "train", "birds-val": "valid"}),
        (["cats-train", "dogs-val"], {}),
    ],
)
def test_folders_beside_each_other(names: list[str], splits: dict[str, str]) -> None:
    assert split_folders(names) == splits


BOTH = ("cat", "dog")


def tagged(*folders: str, tags: tuple[str, ...] = BOTH) -> list[str]:
    return [f"{folder}/{tag}/{number}.jpg" for folder in folders for tag in tags for number in range(2)]


@pytest.mark.parametrize(
    ("names", "counts", "inside"),
    [
        (tagged("train", "valid", "test"), {"train": 4, "valid": 4, "test": 4}, ""),
        (tagged("Train", "Validation", "Test"), {"train": 4, "valid": 4, "test": 4}, ""),
        (tagged("Training", "Testing"), {"train": 4, "test": 4}, ""),
        (tagged("TRAIN", "VAL"), {"train": 4, "valid": 4}, ""),
        (tagged("seg_train/seg_train", "seg_test/seg_test"), {"train": 4, "test": 4}, ""),
        (
            [*tagged("seg_train/seg_train", "seg_test/seg_test"), "seg_pred/seg_pred/1.jpg"],
            {"train": 4, "test": 4},
            "",
        ),
        (tagged("photos/train", "photos/test"), {"train": 4, "test": 4}, "photos"),
        (tagged("a/b/train", "a/b/test"), {"train": 4, "test": 4}, "a/b"),
        ([*tagged("train", "test"), "test/5.jpg"], {"train": 4, "test": 4}, ""),
        ([*tagged("train"), "test/1.jpg", "test/2.jpg"], {"train": 4}, ""),
        (tagged("train/train", "test/test"), {"train": 4, "test": 4}, ""),
        (tagged("train_set/training_set", "test_set/test_set"), {"train": 4, "test": 4}, ""),
        (tagged("train"), {"train": 4}, ""),
    ],
)
def test_folders_of_splits(tmp_path: Path, names: list[str], counts: dict[str, int], inside: str) -> None:
    found = readers.read(plant(tmp_path, *names))
    assert found.splits == counts
    assert set(found.tags) == set(BOTH)
    assert Counter(one.subset for one in found.annotations)["test"] == counts.get("test", 0)
    assert (f"inside `{inside}`" in found.recognised()) == bool(inside)
    assert found.recognised().startswith("folders for splits, with a folder per tag in each")


@pytest.mark.parametrize(
    ("names", "tags"),
    [
        (["bus/1.jpg", "car/1.jpg", "train/1.jpg"], {"bus", "car", "train"}),
        (["train station/1.jpg", "airport/1.jpg"], {"train station", "airport"}),
        (["test tube/1.jpg", "flask/1.jpg"], {"test tube", "flask"}),
        (["photos/cat/1.jpg", "photos/dog/1.jpg"], {"cat", "dog"}),
        (["export/photos/cat/1.jpg", "export/photos/dog/1.jpg"], {"cat", "dog"}),
        (["Hemlock/2023/1.jpg", "Hemlock/2024/1.jpg"], {"Hemlock"}),
        (["Hemlock/2024-05/1.jpg", "Hemlock/2024-06/1.jpg"], {"Hemlock"}),
        (["cat/tabby/1.jpg", "dog/1.jpg"], {"cat", "dog"}),
    ],
)
def test_folders_of_tags(tmp_path: Path, names: list[str], tags: set[str]) -> None:
    found = readers.read(plant(tmp_path, *names))
    assert set(found.tags) == tags
    assert found.splits == {}


@pytest.mark.parametrize(
    ("names", "as_splits", "as_tags"),
    [
        (["cat/1.jpg", "dog/1.jpg", "test/1.jpg"], {"cat", "dog"}, {"cat", "dog", "test"}),
        (["cat/1.jpg", "dog/1.jpg", "val/1.jpg"], {"cat", "dog"}, {"cat", "dog", "val"}),
        (["bus/1.jpg", "train/steam/1.jpg", "train/diesel/1.jpg"], {"steam", "diesel"}, {"bus", "train"}),
        (["cat/1.jpg", "dog/1.jpg", "test/owl/1.jpg"], {"cat", "dog", "owl"}, {"cat", "dog", "test"}),
        (["cat/1.jpg", "train/1.jpg", "test/1.jpg"], None, {"cat", "train", "test"}),
    ],
)
def test_what_cannot_be_told(
    tmp_path: Path, names: list[str], as_splits: set[str] | None, as_tags: set[str]
) -> None:
    plant(tmp_path, *names)
    with pytest.raises(DatasetError, match="it may be a tag") as caught:
        readers.read(tmp_path)
    assert "`ingest.split_folders: tags`" in str(caught.value)
    assert "`ingest.split_folders: splits`" in str(caught.value)
    assert set(readers.read(tmp_path, split_folders="tags").tags) == as_tags
    if as_splits is not None:
        assert set(readers.read(tmp_path, split_folders="splits").tags) == as_splits


@pytest.mark.parametrize(
    "names",
    [
        ["train/1.jpg", "valid/2.jpg"],
        ["train/1.jpg", "valid/2.jpg", "test/3.jpg"],
        ["Training/1.jpg", "Testing/2.jpg"],
        ["data/train/1.jpg", "data/val/2.jpg"],
        ["train/1.jpg"],
        ["train2017/1.jpg", "val2017/1.jpg"],
    ],
)
def test_splits_alone_are_no_tags(tmp_path: Path, names: list[str]) -> None:
    plant(tmp_path, *names)
    with pytest.raises(DatasetError, match="which are names of splits, with photos directly in them"):
        readers.read(tmp_path)


def test_what_has_no_tag_in_folders_of_splits_is_set_aside(tmp_path: Path) -> None:
    plant(tmp_path, *tagged("train", "test"), "pred/1.jpg", "pred/2.jpg", "test/3.jpg")
    found = readers.read(tmp_path)
    assert found.unlisted == ("pred/1.jpg", "pred/2.jpg", "test/3.jpg")
    assert [note.code for note in found.notes] == ["unlisted-photo"]
    assert found.accounted() == "11 files: 8 with an annotation, 3 set aside without one"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("file,tag\ntrain/1.png,a\ntest/2.png,a\n", {"1.png": "train", "2.png": "test"}),
        (
            "file,tag\ntrain/1.png,a\nvalid/3.png,a\n4.png,a\n",
            {"1.png": "train", "3.png": "train", "4.png": "train"},
        ),
        ("file,tag,subset\ntrain/1.png,a,test\ntest/2.png,a,train\n", {"1.png": "test", "2.png": "train"}),
        ("file,tag\ntest/2.png,a\ntest/5.png,b\n", {"2.png": "train", "5.png": "train"}),
    ],
)
def test_folders_of_photos_count_where_a_table_says_nothing_of_splits(
    tmp_path: Path, table: str, expected: dict[str, str]
) -> None:
    for name in ("train/1.png", "test/2.png", "valid/3.png", "4.png", "test/5.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "labels.csv").write_text(table)
    found = readers.read(tmp_path, "csv").annotations
    assert {one.path.name: one.subset for one in found} == expected
