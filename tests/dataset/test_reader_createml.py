from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from annotated_sources import codes, lay, only, splits
from dahlia.dataset import readers
from dahlia.dataset.records import Region
from dahlia.errors import DatasetError

BOX = Region("cat", 0.25, 0.25, 0.5, 0.5)
MIDDLE = {"x": 20, "y": 10, "width": 20, "height": 10}
CAT = {"label": "cat", "coordinates": MIDDLE}


@pytest.mark.parametrize(
    ("entry", "tags", "regions"),
    [
        ({"image": "1.png", "annotations": [CAT]}, ("cat",), (BOX,)),
        ({"imagefilename": "1.png", "annotation": [CAT]}, ("cat",), (BOX,)),
        ({"imageFileName": "1.png", "Annotations": [CAT]}, ("cat",), (BOX,)),
        ({"image": "1.png", "verified": True, "annotations": [CAT, CAT]}, ("cat",), (BOX, BOX)),
        ({"image": "1.png", "annotations": CAT}, ("cat",), (BOX,)),
        (
            {
                "image": "1.png",
                "annotations": [
                    {"label": "cat", "coordinates": {"x": "20", "y": "10.0", "width": "20", "height": "10"}}
                ],
            },
            ("cat",),
            (BOX,),
        ),
        ({"image": "1.png", "width": 80, "height": 40, "annotations": [CAT]}, ("cat",), None),
        ({"image": "1.png", "annotations": []}, (), ()),
        ({"image": "1.png", "annotations": None}, (), ()),
        ({"image": "1.png", "annotations": [{"label": "cat"}]}, ("cat",), ()),
        ({"image": "1.png", "annotations": [{"label": "cat", "coordinates": {}}]}, ("cat",), ()),
        ({"image": "1.png", "annotations": [{"label": "cat", "coordinates": None}]}, ("cat",), ()),
        ({"image": "1.png", "label": "cat"}, ("cat",), ()),
        ({"imagefilename": "1.png", "annotation": "cat"}, ("cat",), ()),
        ({"filename": "1.png", "annotations": ["cat", "dog"]}, ("cat", "dog"), ()),
        ({"file_name": "1.png", "labels": ["dog", "cat", "dog"]}, ("dog", "cat"), ()),
        ({"image": "1.png", "label": 7}, ("7",), ()),
        (
            {"image": "1.png", "annotations": [{"label": "cat", "coordinates": {**MIDDLE, "width": 99}}]},
            ("cat",),
            (Region("cat", -29.5 / 40, 0.25, 99 / 40, 0.5),),
        ),
    ],
)
def test_entries(
    tmp_path: Path, entry: dict[str, Any], tags: tuple[str, ...], regions: tuple[Region, ...] | None
) -> None:
    expected = (Region("cat", 0.125, 0.125, 0.25, 0.25),) if regions is None else regions
    reading = readers.read(lay(tmp_path, {"labels.json": [entry], "1.png": None}))
    assert reading.recognised().startswith("Create ML: 1 photo; ")
    assert only(reading).tags == tags
    assert only(reading).regions == expected
    assert codes(reading) == []


@pytest.mark.parametrize(
    ("files", "line", "expected"),
    [
        (
            {
                f"{folder}/{name}": content
                for folder in ("train", "valid", "test")
                for name, content in (
                    ("1.png", None),
                    ("_annotations.createml.json", [{"image": "1.png", "annotations": [CAT]}]),
                )
            },
            "Create ML, one file a split: train 1, valid 1, test 1 photo; tags cat",
            {"train/1.png": "train", "valid/1.png": "valid", "test/1.png": "test"},
        ),
        (
            {
                "Training Data/annotations.json": [{"image": "1.png", "annotations": [CAT]}],
                "Training Data/1.png": None,
                "Testing Data/annotations.json": [{"image": "1.png", "annotations": [CAT]}],
                "Testing Data/1.png": None,
            },
            "Create ML, one file a split: train 1, test 1 photo; tags cat",
            {"Training Data/1.png": "train", "Testing Data/1.png": "test"},
        ),
        (
            {"a.json": [{"image": "1.png", "label": "cat", "subset": "test"}], "images/1.png": None},
            "Create ML: test 1 photo; tags cat",
            {"images/1.png": "test"},
        ),
        (
            {"a.json": [{"image": "file:///Users/me/images/1.png", "label": "cat"}], "images/1.png": None},
            "Create ML: 1 photo; tags cat",
            {"images/1.png": None},
        ),
        (
            {
                "cat/1.png": None,
                "dog/1.png": None,
                "a.json": [{"image": "cat/1.png", "label": "cat"}, {"image": "dog/1.png", "label": "dog"}],
            },
            "Create ML: 2 photos; tags cat, dog",
            {"cat/1.png": None, "dog/1.png": None},
        ),
    ],
)
def test_layouts(tmp_path: Path, files: dict[str, object], line: str, expected: dict[str, Any]) -> None:
    reading = readers.read(lay(tmp_path, files))
    assert reading.recognised() == line
    assert splits(reading) == expected


@pytest.mark.parametrize("content", [b"not a photo", b""])
def test_a_photo_whose_size_nobody_knows_keeps_its_tag(tmp_path: Path, content: bytes) -> None:
    entry = {"image": "1.png", "annotations": [CAT]}
    annotation = only(readers.read(lay(tmp_path, {"a.json": [entry], "1.png": content})))
    assert (annotation.tags, annotation.regions) == (("cat",), ())


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"image": 1, "label": "cat"}, r"a\.json\[0\]: expected a file's name as `image`, received 1"),
        ({"image": "", "label": "cat"}, r"a\.json\[0\]: expected the name of a file"),
        ({"image": "../1.png", "label": "cat", "x": 1}, None),
        ({"image": "/etc/passwd", "label": "cat"}, r"a\.json\[0\]: expected a file inside"),
        ({"image": "1.png", "label": True}, r"`label`\[0\]: expected the name of a tag as text"),
        ({"image": "1.png", "annotations": [{"label": None}]}, r"`annotations`\[0\]: expected the name"),
        ({"image": "1.png", "annotations": [{"coordinates": MIDDLE}]}, r"`annotations`\[0\]: expected"),
        ({"image": "1.png", "annotations": [{"label": " "}]}, "expected the name of a tag, received ' '"),
        ({"image": "1.png", "annotations": [["cat"]]}, r"received \['cat'\]"),
        (
            {"image": "1.png", "annotations": [{"label": "cat", "coordinates": [1, 2, 3, 4]}]},
            r"expected `coordinates` with x, y, width, height, received \[1, 2, 3, 4\]",
        ),
        (
            {"image": "1.png", "annotations": [{"label": "cat", "coordinates": {"x": 1}}]},
            r"`annotations`\[0\], `y`: expected a number, received None",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, entry: dict[str, Any], message: str | None) -> None:
    source = lay(tmp_path, {"a.json": [entry], "1.png": None})
    if message is None:
        assert splits(readers.read(source)) == {"1.png": None}  # found, whatever folder was meant
    else:
        with pytest.raises(DatasetError, match=message):
            readers.read(source)
