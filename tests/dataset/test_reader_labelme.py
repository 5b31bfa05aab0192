from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from annotated_sources import codes, lay, only, splits
from dahlia.dataset import readers
from dahlia.dataset.records import Region
from dahlia.errors import DatasetError

BOX = Region("cat", 0.25, 0.25, 0.5, 0.5)
CORNERS = [[10, 5], [30, 15]]


def shape(kind: str | None = "rectangle", points: object = CORNERS, **more: object) -> dict[str, Any]:
    return {"label": "cat", "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def document(*shapes: dict[str, Any], **more: object) -> dict[str, Any]:
    return {
        "version": "5.2.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "1.png",
        "imageData": None,
        "imageHeight": 20,
        "imageWidth": 40,
        **more,
    }


@pytest.mark.parametrize(
    ("entry", "tags", "regions", "notes"),
    [
        (document(shape()), ("cat",), (BOX,), []),
        (document(shape(points=[[30, 15], [10, 5]])), ("cat",), (BOX,), []),
        (document(shape(points=[[10, 5], [30, 5], [30, 15], [10, 15]])), ("cat",), (BOX,), []),
        (document(shape("polygon", [[10, 5], [30, 5], [20, 15]])), ("cat",), (BOX,), ["region-outline"]),
        (document(shape(None, [[10, 5], [30, 5], [20, 15]])), ("cat",), (BOX,), ["region-outline"]),
        (
            document(shape("circle", [[20, 10], [23, 14]])),
            ("cat",),
            (Region("cat", 15 / 40, 5 / 20, 10 / 40, 10 / 20),),
            ["region-outline"],
        ),
        (document(shape("mask", CORNERS, mask="iVBOR")), ("cat",), (BOX,), ["region-outline"]),
        (document(shape("point", [[10, 5]])), ("cat",), (), []),
        (document(shape("line")), ("cat",), (), []),
        (document(shape("linestrip")), ("cat",), (), []),
        (document(shape("rectangle", [[1, 2]])), ("cat",), (), []),
        (document(shape("rectangle", None)), ("cat",), (), []),
        (document(shape("rectangle", [[1, "x"], [2, 3]])), ("cat",), (), []),
        (
            document(shape(), shape(label="dog")),
            ("cat", "dog"),
            (BOX, Region("dog", *[0.25] * 2, *[0.5] * 2)),
            [],
        ),
        (document(flags={"cat": True, "dog": False, "__ignore__": True}), ("cat",), (), []),
        (document(shape(label="dog"), flags={"cat": True}), ("cat", "dog"), None, []),
        (document(shape(label="__ignore__")), (), (), []),
        (document(), (), (), []),
        (document(flags=None), (), (), []),
        (document(shape(), imageWidth=None, imageHeight=0), ("cat",), (BOX,), []),
        (document(shape(), imageWidth="40", imageHeight="20"), ("cat",), (BOX,), []),
        (document(shape(), imageData="iVBORw0KGgo="), ("cat",), (BOX,), []),
        (document(shape(label=7)), ("7",), None, []),
    ],
)
def test_shapes_and_flags(
    tmp_path: Path,
    entry: dict[str, Any],
    tags: tuple[str, ...],
    regions: tuple[Region, ...] | None,
    notes: list[str],
) -> None:
    reading = readers.read(lay(tmp_path, {"1.json": entry, "1.png": None}))
    assert reading.recognised().startswith("labelme, a JSON file for each photo: 1 photo; ")
    assert only(reading).tags == tags
    if regions is not None:
        assert only(reading).regions == regions
    assert codes(reading) == notes
    assert reading.documents == ("1.json",)


@pytest.mark.parametrize(
    ("name", "path", "file"),
    [
        ("1.json", "1.png", "1.png"),
        ("1.json", "renamed.png", "1.png"),
        ("1.json", "..\\photos\\1.png", "1.png"),
        ("1.json", "C:\\Users\\me\\1.jpg", "1.png"),
        ("1.json", "/home/me/1.jpg", "1.png"),
        ("1.json", "", "1.png"),
        ("1.json", None, "1.png"),
        ("1.json", "1.png", "1.JPG"),
        ("a b.json", "a%20b.png", "a b.png"),
        ("labels/1.json", "..\\images\\1.png", "images/1.png"),
        ("labels/1.json", "1.png", "images/1.png"),
        ("annotations/1.json", "gone.png", "photos/1.png"),
        ("json/one.json", "../images/1.png", "images/1.png"),
        ("json/one.json", "1.png", "images/deep/1.png"),
        ("data/train/labels/1.json", "1.png", "data/train/images/1.png"),
    ],
)
def test_where_the_photo_is(tmp_path: Path, name: str, path: str | None, file: str) -> None:
    reading = readers.read(lay(tmp_path, {name: document(shape(), imagePath=path), file: None}))
    assert list(splits(reading)) == [file]
    assert only(reading).regions == (BOX,)


def test_the_photo_of_the_same_name_counts_even_where_another_is_named(tmp_path: Path) -> None:
    """Files are renamed together with their photos, and what is written in them stays."""
    files = {
        "1.json": document(shape(label="cat"), imagePath="2.png"),
        "2.json": document(shape(label="dog"), imagePath="1.png"),
        "1.png": None,
        "2.png": None,
    }
    reading = readers.read(lay(tmp_path, files))
    assert {one.path.name: one.tags for one in reading.annotations} == {"1.png": ("cat",), "2.png": ("dog",)}


def test_two_photos_of_one_name(tmp_path: Path) -> None:
    reading = readers.read(
        lay(tmp_path, {"1.json": document(shape(), imagePath="1.bmp"), "1.png": None, "1.bmp": None})
    )
    assert list(splits(reading)) == ["1.bmp"]
    assert reading.unlisted == ("1.png",)


@pytest.mark.parametrize(("data", "hint"), [("iVBORw0KGgo=", "its `imageData` holds the photo"), (None, "")])
def test_a_photo_that_is_missing(tmp_path: Path, data: str | None, hint: str) -> None:
    files = {
        "1.json": document(shape()),
        "other/two.json": document(shape(), imagePath="two.png", imageData=data),
        "1.png": None,
    }
    reading = readers.read(lay(tmp_path, files))
    missing = reading.annotations[1]
    assert missing.path == reading.root / "other/two.png"
    assert missing.hint.startswith(hint)


def test_splits_by_folder(tmp_path: Path) -> None:
    files: dict[str, object] = {
        f"{folder}/{number}{suffix}": document(shape(), imagePath=f"{number}.png")
        if suffix == ".json"
        else None
        for folder in ("train", "val", "test")
        for number in (1, 2)
        for suffix in (".json", ".png")
    }
    reading = readers.read(lay(tmp_path, files))
    assert reading.recognised() == (
        "labelme, a JSON file for each photo: train 2, valid 2, test 2 photos; tags cat"
    )
    assert {one.subset for one in reading.annotations if one.path.parent.name == "test"} == {"test"}


def test_photos_without_a_file_are_told(tmp_path: Path) -> None:
    reading = readers.read(lay(tmp_path, {"1.json": document(shape()), "1.png": None, "2.png": None}))
    assert (reading.photos, reading.unlisted) == (("1.png",), ("2.png",))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (document(shape(label=None)), r"1\.json: shapes\[0\], `label`: expected the name of a tag as text"),
        (document(shape(), shape(label=" ")), r"shapes\[1\], `label`: expected the name of a tag"),
        (document(shape(label="a\tb")), "expected a name in one line"),
        (document(flags={"a\nb": True}), "`flags`: expected a name in one line"),
        (document(shapes=[7]), r"1\.json: shapes: expected a list of objects, received one with 7 in it"),
        (document(shape())["shapes"], "in the form of labelme, found 1.json"),
        ('{"shapes": [{"points": [[1,\n2', r"1\.json:2: not JSON"),
    ],
)
def test_what_is_refused(tmp_path: Path, entry: object, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        readers.read(lay(tmp_path, {"1.json": entry, "1.png": None}), "labelme")
