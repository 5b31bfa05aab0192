"""COCO as people keep it: layouts with splits, ids as text, outlines, sizes that are not given."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from annotated_sources import codes, lay, only, photo, splits
from dahlia.dataset import readers
from dahlia.dataset.records import Region
from dahlia.errors import DatasetError


def coco(*names: str, tag: str = "cat", **image: object) -> dict[str, Any]:
    """A file in which every photo has a tag and a box."""
    return {
        "images": [
            {"id": at, "file_name": name, "width": 40, "height": 20, **image} for at, name in enumerate(names)
        ],
        "annotations": [
            {"id": at, "image_id": at, "category_id": 1, "bbox": [10, 5, 20, 10]} for at in range(len(names))
        ],
        "categories": [{"id": 0, "name": "animals", "supercategory": "none"}, {"id": 1, "name": tag}],
    }


BOX = Region("cat", 0.25, 0.25, 0.5, 0.5)


@pytest.mark.parametrize(
    ("files", "line", "expected"),
    [
        pytest.param(
            {
                f"{folder}/{name}": content
                for folder in ("train", "valid", "test")
                for name, content in (("1.png", None), ("_annotations.coco.json", coco("1.png")))
            },
            "COCO, one file a split: train 1, valid 1, test 1 photo; tags cat",
            {"train/1.png": "train", "valid/1.png": "valid", "test/1.png": "test"},
            id="roboflow",
        ),
        pytest.param(
            {
                f"birds.v3/{folder}/{name}": content
                for folder in ("Train", "Validation", "Testing")
                for name, content in (("1.png", None), ("_annotations.coco.json", coco("1.png")))
            },
            "COCO, one file a split: train 1, valid 1, test 1 photo; tags cat",
            {
                "birds.v3/Train/1.png": "train",
                "birds.v3/Validation/1.png": "valid",
                "birds.v3/Testing/1.png": "test",
            },
            id="roboflow-wrapped",
        ),
        pytest.param(
            {
                "annotations/instances_train2017.json": coco("1.png", "2.png"),
                "annotations/instances_val2017.json": coco("1.png"),
                "annotations/person_keypoints_train2017.json": coco("1.png", tag="person"),
                "annotations/captions_train2017.json": {
                    "images": [{"id": 1, "file_name": "1.png"}],
                    "annotations": [{"image_id": 1, "caption": "a cat"}],
                },
                "train2017/1.png": None,
                "train2017/2.png": None,
                "val2017/1.png": None,
            },
            "COCO, one file a split: train 2, valid 1 photo; tags cat",
            {"train2017/1.png": "train", "train2017/2.png": "train", "val2017/1.png": "valid"},
            id="coco-2017",
        ),
        pytest.param(
            {
                "coco/annotations/instances_train2017.json": coco("1.png"),
                "coco/annotations/instances_val2017.json": coco("1.png"),
                "coco/images/train2017/1.png": None,
                "coco/images/val2017/1.png": None,
            },
            "COCO, one file a split: train 1, valid 1 photo; tags cat",
            {"coco/images/train2017/1.png": "train", "coco/images/val2017/1.png": "valid"},
            id="coco-2017-in-images",
        ),
        pytest.param(
            {
                "train.json": coco("1.png"),
                "test.json": coco("1.png"),
                "images/train/1.png": None,
                "images/test/1.png": None,
            },
            "COCO, one file a split: train 1, test 1 photo; tags cat",
            {"images/train/1.png": "train", "images/test/1.png": "test"},
            id="a-file-a-split-beside-images",
        ),
        pytest.param(
            {
                "train.json": coco("1.png"),
                "dev.json": coco("1.png"),
                "train/images/1.png": None,
                "dev/images/1.png": None,
            },
            "COCO, one file a split: train 1, valid 1 photo; tags cat",
            {"train/images/1.png": "train", "dev/images/1.png": "valid"},
            id="images-inside-splits",
        ),
        pytest.param(
            {
                "annotations/train/a.json": coco("1.png"),
                "annotations/test/a.json": coco("1.png"),
                "images/train/1.png": None,
                "images/test/1.png": None,
            },
            "COCO, one file a split: train 1, test 1 photo; tags cat",
            {"images/train/1.png": "train", "images/test/1.png": "test"},
            id="annotations-in-folders-of-splits",
        ),
        pytest.param(
            {"all.json": coco("train/1.png", "test/1.png"), "train/1.png": None, "test/1.png": None},
            "COCO: train 1, test 1 photo; tags cat",
            {"train/1.png": "train", "test/1.png": "test"},
            id="splits-in-file-names",
        ),
        pytest.param(
            {"all.json": coco("test/1.png", "test/2.png"), "test/1.png": None, "test/2.png": None},
            "COCO: 2 photos; tags cat",
            {"test/1.png": None, "test/2.png": None},
            id="all-in-one-folder-of-tests",
        ),
        pytest.param(
            {"annotations/instances_default.json": coco("1.png"), "images/default/1.png": None},
            "COCO: 1 photo; tags cat",
            {"images/default/1.png": None},
            id="cvat",
        ),
        pytest.param(
            {"labels.json": coco("1.png"), "data/1.png": None},
            "COCO: 1 photo; tags cat",
            {"data/1.png": None},
            id="fiftyone",
        ),
        pytest.param(
            {"result.json": coco("images\\1a2b3c4d-1.png"), "images/1a2b3c4d-1.png": None},
            "COCO: 1 photo; tags cat",
            {"images/1a2b3c4d-1.png": None},
            id="label-studio",
        ),
        pytest.param(
            {"monday.json": coco("1.png"), "tuesday.json": coco("2.png"), "1.png": None, "2.png": None},
            "COCO, 2 files: 2 photos; tags cat",
            {"1.png": None, "2.png": None},
            id="several-files-without-splits",
        ),
        pytest.param(
            {"photos/1.png": None, "b.json": coco("C:\\work\\photos\\1.PNG")},
            "COCO: 1 photo; tags cat",
            {"photos/1.png": None},
            id="a-path-of-windows",
        ),
    ],
)
def test_layouts(
    tmp_path: Path, files: dict[str, object], line: str, expected: dict[str, str | None]
) -> None:
    reading = readers.read(lay(tmp_path, files))
    assert reading.recognised() == line
    assert splits(reading) == expected
    assert {one.subset for one in reading.annotations if one.split != "test"} == {"train"}
    assert {one.subset for one in reading.annotations if one.split == "test"} <= {"test"}
    assert all(one.regions == (BOX,) for one in reading.annotations)
    assert reading.unlisted == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str) -> None:
    text = json.dumps(coco("1.png", tag="Kätzchen"), ensure_ascii=False, indent=1).replace("\n", "\r\n")
    reading = readers.read(lay(tmp_path, {"a.json": text.encode(encoding), "1.png": None}))
    assert only(reading).tags == ("Kätzchen",)


@pytest.mark.parametrize(
    ("image", "image_id", "category", "category_id"),
    [
        ("1", 1, 3, "3"),
        (1, "1", "3", 3),
        (" 1 ", 1, 3.0, 3),
        (1.0, "1", 3, 3.0),
        ("a7", "a7", "cat", "cat"),
        (2**70, 2**70, -1, "-1"),
    ],
)
def test_ids_as_text(
    tmp_path: Path, image: object, image_id: object, category: object, category_id: object
) -> None:
    document = {
        "images": [{"id": image, "file_name": "1.png"}],
        "annotations": [{"image_id": image_id, "category_id": category_id}],
        "categories": [{"id": category, "name": "cat"}],
    }
    assert only(readers.read(lay(tmp_path, {"a.json": document, "1.png": None}))).tags == ("cat",)


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}], r"categories\[1\].*“cat” and “dog”"),
        ([{"id": 1, "name": "cat"}, {"id": "1", "name": "Cat"}], r"categories\[1\].*“cat” and “Cat”"),
        ([{"id": 1, "name": True}], r"categories\[0\]: expected the name of a tag as text, received True"),
        ([{"id": 1, "name": 1.1}], "received 1.1. Put it in quotes"),
        ([{"id": 1}], "received None"),
        ([{"id": 1, "name": "cat\ndog"}], r"categories\[0\]: expected a name in one line"),
        ([{"id": 1, "name": "\ud800"}], "half of a surrogate pair"),
        ([], "there is no 1; the list is empty"),
        ({"1": "cat"}, "categories: expected a list of objects, received {'1': 'cat'}"),
    ],
)
def test_categories_that_cannot_be(tmp_path: Path, categories: object, message: str) -> None:
    document = {
        "images": [{"id": 1, "file_name": "1.png"}],
        "annotations": [{"image_id": 1, "category_id": 1}],
        "categories": categories,
    }
    with pytest.raises(DatasetError, match=message):
        readers.read(lay(tmp_path, {"a.json": document, "1.png": None}))


def test_an_id_means_one_name_in_each_file(tmp_path: Path) -> None:
    same = coco("2.png", tag="dog")
    same["categories"].append({"id": 1, "name": " dog "})
    files = {"train.json": coco("1.png"), "test.json": same, "1.png": None, "2.png": None}
    assert readers.read(lay(tmp_path, files)).tags == {"cat": 1, "dog": 1}


def test_a_number_is_the_name_that_it_is_written_as(tmp_path: Path) -> None:
    document = coco("1.png")
    document["categories"][1]["name"] = 7
    assert only(readers.read(lay(tmp_path, {"a.json": document, "1.png": None}))).tags == ("7",)


RUNS = [46, 4, 16, 4, 130]  # of a mask of 2 columns in 10 rows of 20


@pytest.mark.parametrize(
    ("annotation", "regions", "notes"),
    [
        ({"bbox": [10, 5, 20, 10]}, (BOX,), []),
        ({"bbox": ["10", "5.0", 20, 10]}, (BOX,), []),
        ({"bbox": [10, 5, 20, 10], "segmentation": [[0, 0, 1, 1, 2, 0]]}, (BOX,), []),
        ({"segmentation": [[10, 5, 30, 5, 30, 15, 10, 15]]}, (BOX,), ["region-outline"]),
        ({"segmentation": [10, 5, 30, 5, 30, 15]}, (BOX,), ["region-outline"]),
        (
            {"bbox": [], "segmentation": [[10, 5, 11, 6, 10, 6], [29, 14, 30, 15, 29, 15]]},
            (BOX,),
            ["region-outline"],
        ),
        ({"bbox": [0, 0, 0, 0], "segmentation": [[10, 5, 30, 15, 10, 15]]}, (BOX,), ["region-outline"]),
        (
            {"segmentation": {"size": [20, 40], "counts": RUNS}},
            (Region("cat", 2 / 40, 6 / 20, 2 / 40, 4 / 20),),
            ["region-outline"],
        ),
        ({"segmentation": []}, (), []),
        ({"segmentation": [[]]}, (), []),
        ({"segmentation": {"size": [20, 40], "counts": "~~~"}}, (), []),
        ({"segmentation": {"size": [20, 40], "counts": [-5, 5]}}, (), []),
        ({"segmentation": {"size": None}}, (), []),
        ({"segmentation": "1 2 3"}, (), []),
        ({"segmentation": [["x", 1, 2, 3]]}, (), []),
        ({}, (), []),
        ({"bbox": None}, (), []),
        ({"bbox": [10, 5, 20, 10], "iscrowd": 1}, (), ["crowd-box"]),
        ({"segmentation": {"size": [20, 40], "counts": RUNS}, "iscrowd": 1}, (), ["crowd-box"]),
        ({"bbox": [-9, 5, 99, 10]}, (Region("cat", -9 / 40, 0.25, 99 / 40, 0.5),), []),
        ({"bbox": [10, 5, 0, 0]}, (Region("cat", 0.25, 0.25, 0, 0),), []),
    ],
)
@pytest.mark.parametrize("size", [{"width": 40, "height": 20}, {"width": 0, "height": 0}, {}])
def test_boxes_and_outlines(
    tmp_path: Path,
    annotation: dict[str, Any],
    regions: tuple[Region, ...],
    notes: list[str],
    size: dict[str, int],
) -> None:
    """Where the size is missing or zero, the photo has it; the tag counts in any case."""
    document = {
        "images": [{"id": 1, "file_name": "1.png", **size}],
        "annotations": [{"image_id": 1, "category_id": 1, **annotation}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    reading = readers.read(lay(tmp_path, {"a.json": document, "1.png": None}))
    assert only(reading).tags == ("cat",)
    assert only(reading).regions == pytest.approx(regions)
    assert codes(reading) == notes
    assert all(note.files == ("1.png",) for note in reading.notes)


@pytest.mark.parametrize("size", [{"width": 0, "height": 20}, {"width": "?", "height": None}, {}])
@pytest.mark.parametrize("content", [b"not a photo", b""])
def test_a_size_that_nobody_knows_leaves_the_tag(
    tmp_path: Path, size: dict[str, Any], content: bytes
) -> None:
    document = coco("1.png")
    document["images"][0] = {"id": 0, "file_name": "1.png", **size}
    annotation = only(readers.read(lay(tmp_path, {"a.json": document, "1.png": content})))
    assert annotation.tags == ("cat",)
    assert annotation.regions == ()


def test_annotations_without_a_category(tmp_path: Path) -> None:
    document = coco("1.png", "2.png")
    document["annotations"] += [{"image_id": 1, "bbox": [1, 1, 2, 2]}, {"image_id": 1, "category_id": None}]
    reading = readers.read(lay(tmp_path, {"a.json": document, "1.png": None, "2.png": None}))
    assert reading.tags == {"cat": 2}
    (note,) = reading.notes
    assert (note.code, note.files) == ("annotation-without-tag", ("2.png",))
    assert note.found == "2 annotations that name no tag"


@pytest.mark.parametrize("categories", [[], [{"id": 0, "name": "animals"}]])
def test_photos_without_annotations(tmp_path: Path, categories: list[object]) -> None:
    document = {"images": coco("1.png")["images"], "annotations": [], "categories": categories}
    reading = readers.read(lay(tmp_path, {"a.json": document, "1.png": None}))
    assert reading.recognised() == "COCO: 1 photo; no tags"


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            [{"id": 1, "file_name": "1.png"}, {"id": "1", "file_name": "2.png"}],
            r"1 for '1\.png' and '2\.png'",
        ),
        ([{"id": True, "file_name": "1.png"}], "expected a whole number as `id`, received True"),
        ([{"id": 1.5, "file_name": "1.png"}], "expected a whole number as `id`, received 1.5"),
        ([{"id": 1, "file_name": "\ud800.png"}], r"\\ud800 is half of a surrogate pair"),
        ([{"id": 1, "file_name": "/a\0/1.png"}], "expected the name of a file"),
        ([{"id": 1, "file_name": 1}], "expected text as `file_name`, received 1"),
    ],
)
def test_images_that_cannot_be(tmp_path: Path, images: object, message: str) -> None:
    document = {"images": images, "annotations": [], "categories": []}
    with pytest.raises(DatasetError, match=message):
        readers.read(lay(tmp_path, {"a.json": document, "1.png": None}))


def test_one_photo_under_two_ids(tmp_path: Path) -> None:
    document = coco("1.png", "1.png")
    document["images"].append(dict(document["images"][0]))  # the same entry twice is one photo
    annotation = only(readers.read(lay(tmp_path, {"a.json": document, "1.png": None})))
    assert annotation.regions == (BOX, BOX)


def test_a_region_in_several_files_counts_once(tmp_path: Path) -> None:
    more = coco("1.png")
    more["annotations"].append({"image_id": 0, "category_id": 1, "bbox": [0, 0, 4, 4]})
    files = {"a.json": coco("1.png"), "b.json": more, "1.png": None}
    annotation = only(readers.read(lay(tmp_path, files)))
    assert annotation.regions == (BOX, Region("cat", 0, 0, 0.1, 0.2))


@pytest.mark.parametrize(("word", "split"), [("test", "test"), ("Validation", "valid"), ("other", None)])
@pytest.mark.parametrize("key", ["subset", "split"])
def test_an_image_may_have_a_split_of_its_own(tmp_path: Path, key: str, word: str, split: str | None) -> None:
    document = coco("1.png", **{key: word})
    assert only(readers.read(lay(tmp_path, {"a.json": document, "1.png": None}))).split == split


def test_a_photo_in_two_splits(tmp_path: Path) -> None:
    files = {"train.json": coco("1.png"), "test.json": coco("1.png"), "1.png": None}
    with pytest.raises(DatasetError, match=r"1\.png is in `train` here and in `test`"):
        readers.read(lay(tmp_path, files))


def test_one_damaged_file_of_several_stops(tmp_path: Path) -> None:
    files = {
        f"{folder}/{name}": content
        for folder in ("train", "test")
        for name, content in (("1.png", None), ("_annotations.coco.json", coco("1.png")))
    }
    files["test/_annotations.coco.json"] = json.dumps(coco("1.png"))[:-20]
    with pytest.raises(DatasetError, match=r"test/_annotations\.coco\.json:1: not JSON"):
        readers.read(lay(tmp_path, files))


def test_an_archive_of_an_export(tmp_path: Path) -> None:
    """Sizes that are not given are those of the photos in the archive."""
    document = coco("1.png", width=None, height=0)
    with zipfile.ZipFile(tmp_path / "birds.v3i.coco.zip", "w") as archive:
        for split in ("train", "valid", "test"):
            archive.writestr(f"birds/{split}/_annotations.coco.json", json.dumps(document))
            archive.writestr(f"birds/{split}/1.png", photo())
        archive.writestr("birds/README.roboflow.txt", "birds")
    reading = readers.read(tmp_path / "birds.v3i.coco.zip")
    assert reading.recognised() == "COCO, one file a split: train 1, valid 1, test 1 photo; tags cat"
    assert all(one.regions == (BOX,) for one in reading.annotations)
