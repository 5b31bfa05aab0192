from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from annotated_sources import codes, lay, only, splits
from dahlia.dataset import readers
from dahlia.dataset.readers import boxes
from dahlia.dataset.records import Region
from dahlia.errors import DatasetError

BOX = Region("cat", 0.25, 0.25, 0.5, 0.5)
POSITION = {"x": 25, "y": 25, "width": 50, "height": 50}
CAT = {"type": "choices", "from_name": "choice", "value": {"choices": ["cat"]}}


def task(image: object = "1.png", *results: dict[str, Any], **more: object) -> dict[str, Any]:
    annotation = {"id": 11, "was_cancelled": False, "result": list(results)}
    return {"id": 1, "data": {"image": image}, "annotations": [annotation], "predictions": [], **more}


def box(*tags: str, **value: object) -> dict[str, Any]:
    return {
        "id": "a",
        "type": "rectanglelabels",
        "original_width": 40,
        "original_height": 20,
        "image_rotation": 0,
        "value": {**POSITION, "rotation": 0, "rectanglelabels": list(tags), **value},
    }


@pytest.mark.parametrize(
    ("results", "tags", "regions", "notes"),
    [
        pytest.param([CAT], ("cat",), (), [], id="a-choice"),
        pytest.param(
            [{"type": "choices", "value": {"choices": ["cat", "dog"]}}], ("cat", "dog"), (), [], id="choices"
        ),
        pytest.param([box("cat")], ("cat",), (BOX,), [], id="a-rectangle"),
        pytest.param(
            [box("cat", "dog")],
            ("cat", "dog"),
            (BOX, Region("dog", 0.25, 0.25, 0.5, 0.5)),
            [],
            id="a-rectangle-with-two-labels",
        ),
        pytest.param(
            [CAT, box("dog")], ("cat", "dog"), (Region("dog", 0.25, 0.25, 0.5, 0.5),), [], id="both"
        ),
        pytest.param(
            [{"type": "labels", "id": "a", "value": {**POSITION, "labels": ["cat"]}}],
            ("cat",),
            (BOX,),
            [],
            id="labels-of-a-rectangle",
        ),
        pytest.param(
            [
                {"type": "rectangle", "id": "a", "value": POSITION},
                {"type": "choices", "id": "a", "value": {**POSITION, "choices": ["cat"]}},
            ],
            ("cat",),
            (BOX,),
            [],
            id="a-choice-for-a-rectangle",
        ),
        pytest.param(
            [box("cat"), {"type": "choices", "id": "a", "value": {**POSITION, "choices": ["occluded"]}}],
            ("cat",),
            (BOX,),
            [],
            id="a-choice-about-a-labelled-rectangle",
        ),
        pytest.param(
            [
                {
                    "type": "polygonlabels",
                    "value": {"points": [[25, 25], [75, 25], [50, 75]], "polygonlabels": ["cat"]},
                }
            ],
            ("cat",),
            (BOX,),
            ["region-outline"],
            id="a-polygon",
        ),
        pytest.param(
            [
                {
                    "type": "ellipselabels",
                    "value": {"x": 50, "y": 50, "radiusX": 25, "radiusY": 25, "ellipselabels": ["cat"]},
                }
            ],
            ("cat",),
            (BOX,),
            ["region-outline"],
            id="an-ellipse",
        ),
        pytest.param(
            # 10 x 20 of 40 x 20 pixels, turned right around its top left corner at 30, 5
            [box("cat", x=75, y=25, width=25, height=100, rotation=90)],
            ("cat",),
            (Region("cat", 0.25, 0.25, 0.5, 0.5),),
            [],
            id="a-rectangle-turned-by-90",
        ),
        pytest.param(
            [box("cat", x=50, y=0, width=20, height=40, rotation=45)],
            ("cat",),
            (Region("cat", 0.5 - 2**0.5 / 10, 0, 2**0.5 / 5, 2**0.5 * 2 / 5),),
            ["region-outline"],
            id="a-rectangle-turned-by-45",
        ),
        pytest.param(
            [{"type": "brushlabels", "value": {"format": "rle", "rle": [0, 1], "brushlabels": ["cat"]}}],
            ("cat",),
            (),
            [],
            id="a-mask",
        ),
        pytest.param(
            [{"type": "keypointlabels", "value": {"x": 1, "y": 2, "width": 1, "keypointlabels": ["cat"]}}],
            ("cat",),
            (),
            [],
            id="a-key-point",
        ),
        pytest.param(
            [CAT, {"type": "rectangle", "id": "b", "value": POSITION}],
            ("cat",),
            (),
            ["annotation-without-tag"],
            id="a-rectangle-without-label",
        ),
        pytest.param(
            [CAT, {"type": "textarea", "value": {"text": ["a cat"]}}, {"type": "relation"}],
            ("cat",),
            (),
            ["unread-annotations"],
            id="free-text",
        ),
        pytest.param([{"type": "choices", "value": {"choices": []}}], (), (), [], id="no-choice"),
        pytest.param([{"type": "choices"}, {}], (), (), [], id="no-value"),
    ],
)
def test_results(
    tmp_path: Path,
    results: list[dict[str, Any]],
    tags: tuple[str, ...],
    regions: tuple[Region, ...],
    notes: list[str],
) -> None:
    reading = readers.read(lay(tmp_path, {"export.json": [task("1.png", *results)], "1.png": None}))
    assert reading.recognised().startswith("Label Studio: 1 photo; ")
    assert only(reading).tags == tags
    assert len(only(reading).regions) == len(regions)
    for one, other in zip(only(reading).regions, regions, strict=True):
        sides = [(box.left, box.top, box.width, box.height) for box in (one, other)]
        assert one.tag == other.tag
        assert sides[0] == pytest.approx(sides[1])
    assert codes(reading) == notes


def test_a_turned_rectangle_needs_the_size_of_the_photo(tmp_path: Path) -> None:
    turned = box("cat", x=75, y=25, width=25, height=100, rotation=90)
    turned |= {"original_width": None, "original_height": 0}
    reading = readers.read(lay(tmp_path, {"a.json": [task("1.png", turned)], "1.png": None}))
    (region,) = only(reading).regions
    assert (region.left, region.top, region.width, region.height) == pytest.approx((0.25, 0.25, 0.5, 0.5))
    (tmp_path / "1.png").write_bytes(b"no photo")
    reading = readers.read(tmp_path)
    assert (only(reading).tags, only(reading).regions) == (("cat",), ())


def fileuri(address: str) -> str:
    return f"/tasks/7/resolve/?fileuri={base64.b64encode(address.encode()).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("image", "file"),
    [
        ("/data/upload/1/1a2b3c4d-cat.png", "1a2b3c4d-cat.png"),
        ("/data/upload/1/1a2b3c4d-cat.png", "images/1a2b3c4d-cat.png"),
        ("/data/upload/1/1a2b3c4d-cat.png", "cat.png"),
        ("/data/upload/1a2b3c4d-cat.png", "photos/2024/cat.png"),
        ("/data/upload/1/1a2b3c4d-my_cat_1.png", "my cat (1).png"),
        ("/data/upload/1/1a2b3c4d-K%C3%A4tzchen.png", "Kätzchen.png"),
        ("upload/1/1a2b3c4d-cat.png", "cat.PNG"),
        ("/label-studio/data/upload/1/1a2b3c4d-cat.png", "cat.png"),
        ("/data/local-files/?d=cat.png", "cat.png"),
        ("/data/local-files/?d=some/where/images/cat.png", "images/cat.png"),
        ("/data/local-files/?d=images%5Ccat%201.png", "images/cat 1.png"),
        ("https://label.example/data/local-files/?d=images/cat.png", "images/cat.png"),
        ("s3://bucket/some/where/cat.png", "cat.png"),
        ("gs://bucket/images/cat%201.png", "images/cat 1.png"),
        ("azure-blob://container/cat.png", "cat.png"),
        ("https://photos.example/a/cat.png?width=200&sign=a/b", "a/cat.png"),
        (fileuri("s3://bucket/cats/cat.png"), "cats/cat.png"),
        ("images/cat.png", "images/cat.png"),
        ("images\\cat.png", "images/cat.png"),
        ("cat.jpeg", "cat.png"),
    ],
)
def test_how_photos_are_named(tmp_path: Path, image: str, file: str) -> None:
    reading = readers.read(lay(tmp_path, {"export.json": [task(image, CAT)], file: None}))
    assert splits(reading) == {file: None}


@pytest.mark.parametrize(
    ("data", "upload"),
    [
        ({"img": "/data/upload/1/1a2b3c4d-cat.png"}, None),
        ({"text": "a cat", "picture": "https://photos.example/cat.png"}, None),
        ({"text": "a cat"}, "1a2b3c4d-cat.png"),
        ({"image": "https://photos.example/0193.png", "n": 1}, "1a2b3c4d-cat.png"),
        ({"image": "  cat.png ", "text": "other.png"}, None),
    ],
)
def test_where_a_task_names_its_photo(tmp_path: Path, data: dict[str, Any], upload: str | None) -> None:
    entry = {**task("", CAT), "data": data, "file_upload": upload}
    reading = readers.read(lay(tmp_path, {"export.json": [entry], "cat.png": None}))
    assert splits(reading) == {"cat.png": None}


@pytest.mark.parametrize(
    ("annotations", "tags", "notes"),
    [
        ([], (), []),
        ([{"result": []}], (), []),
        ([{"result": None}], (), []),
        ([{"was_cancelled": True, "result": [box("dog")]}, {"result": [CAT]}], ("cat",), []),
        ([{"skipped": True, "result": [box("dog")]}], (), []),
        ([{"result": [CAT]}, {"result": [CAT]}], ("cat",), []),
        ([{"result": [CAT]}, {"result": [box("dog")]}], ("cat",), ["several-annotators"]),
        ([{"result": [CAT]}, {"result": []}], ("cat",), ["several-annotators"]),
    ],
)
@pytest.mark.parametrize("key", ["annotations", "completions"])
def test_several_annotators(
    tmp_path: Path, key: str, annotations: list[object], tags: tuple[str, ...], notes: list[str]
) -> None:
    entry = {"id": 1, "data": {"image": "1.png"}, key: annotations, "predictions": [{"result": [box("fox")]}]}
    reading = readers.read(lay(tmp_path, {"export.json": [entry], "1.png": None}))
    assert only(reading).tags == tags
    assert codes(reading) == notes


MINIMAL = {"annotator": 1, "annotation_id": 5, "created_at": "", "updated_at": "", "lead_time": 4.7}


@pytest.mark.parametrize(
    ("said", "tags", "regions"),
    [
        ({"choice": "cat"}, ("cat",), ()),
        ({"choice": {"choices": ["cat", "dog"]}}, ("cat", "dog"), ()),
        ({"choice": ["cat"]}, ("cat",), ()),
        ({"animal": "cat", "colour": "black"}, ("cat", "black"), ()),
        ({"label": [{**POSITION, "rotation": 0, "rectanglelabels": ["cat"]}]}, ("cat",), (BOX,)),
        (
            {
                "label": [{**POSITION, "rectanglelabels": ["cat"]}],
                "state": [{**POSITION, "choices": ["occluded"]}],
            },
            ("cat",),
            (BOX,),
        ),
        ({"label": [{**POSITION, "choices": ["cat"]}]}, ("cat",), (BOX,)),
        ({"choice": None, "rating": 4}, (), ()),
        ({}, (), ()),
    ],
)
def test_json_min(
    tmp_path: Path, said: dict[str, Any], tags: tuple[str, ...], regions: tuple[Region, ...]
) -> None:
    entry = {"image": "/data/upload/1/1a2b3c4d-1.png", "note": "of May", "id": 1, **said, **MINIMAL}
    reading = readers.read(lay(tmp_path, {"export.json": [entry], "1.png": None}))
    assert only(reading).tags == tags
    assert only(reading).regions == regions


def test_json_min_of_several_annotators(tmp_path: Path) -> None:
    entries = [{"image": "1.png", "id": 1, "choice": tag, **MINIMAL} for tag in ("cat", "dog")]
    entries.append({"image": "2.png", "id": 2, "choice": "dog", **MINIMAL})
    reading = readers.read(lay(tmp_path, {"export.json": entries, "1.png": None, "2.png": None}))
    assert [one.tags for one in reading.annotations] == [("cat",), ("dog",)]
    assert [(note.code, note.files) for note in reading.notes] == [("several-annotators", ("1.png",))]


def test_a_file_for_each_task(tmp_path: Path) -> None:
    """Storage has the annotation with its task inside; other tools write a task a file."""
    stored = {"id": 3, "result": [CAT], "was_cancelled": False, "task": {"id": 1, "data": {"image": "1.png"}}}
    files = {"1.json": stored, "2.json": task("2.png", box("dog")), "1.png": None, "2.png": None}
    assert readers.read(lay(tmp_path, files)).tags == {"cat": 1, "dog": 1}


def test_splits(tmp_path: Path) -> None:
    files = {
        "train.json": [task("/data/upload/1/1a2b3c4d-1.png", CAT)],
        "test.json": [task("/data/upload/2/1a2b3c4e-1.png", CAT)],
        "images/train/1.png": None,
        "images/test/1.png": None,
    }
    reading = readers.read(lay(tmp_path, files))
    assert splits(reading) == {"images/train/1.png": "train", "images/test/1.png": "test"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            [task("a.png", CAT), task("/data/upload/1/1a2b3c4d-b.png", CAT)],
            r"found none of 2, such as .*\.png\. Label Studio exports JSON without",
        ),
        ([task("s3://bucket/a.png", CAT)], "found none of 1, such as a.png"),
        ([task("data:image/png;base64,iVBORw0KGgo=", CAT)], r"task 1: .*received the photo itself"),
        ([task(None, CAT)], "task 1: expected the photo as `image`, received image, file_upload"),
        ([task(["1.png", "2.png"], CAT)], "expected the photo as `image`"),
        ([task("1.png", {"type": "choices", "value": {"choices": [True]}})], "as text, received True"),
        ([task("1.png", {"type": "choices", "value": {"choices": ["a\nb"]}})], "task 1: expected a name in"),
        ([task("1.png", CAT), 7], "expected a list of objects, received one with 7 in it"),
        ([{**task("1.png"), "annotations": [7]}], r"`annotations`: expected a list of objects"),
        ([{**task("1.png"), "annotations": [{"result": {"a": 1}}]}], "`result`: expected a list of objects"),
        (
            [task("/data/upload/1/1a2b3c4d-1.png", CAT), task("/data/upload/1/00000000-1.png", CAT)],
            r"1a2b3c4d-1\.png and 00000000-1\.png both fit 1\.png",
        ),
        ([task("http://[half/2.jpeg", CAT), task("gone.png", CAT)], "found none of 2"),
    ],
)
def test_what_is_refused(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        readers.read(lay(tmp_path, {"export.json": document, "1.png": None}), "labelstudio")


def test_photos_that_are_missing_are_reported_one_by_one(tmp_path: Path) -> None:
    entries = [task("1.png", CAT), task("s3://bucket/a/gone.png", CAT)]
    reading = readers.read(lay(tmp_path, {"export.json": entries, "1.png": None}))
    assert [one.path.name for one in reading.annotations] == ["1.png", "gone.png"]


def test_two_exports_of_one_project(tmp_path: Path) -> None:
    value = {**POSITION, "rotation": 0, "rectanglelabels": ["cat"]}
    minimal = {"image": "1.png", "id": 1, "label": [value], **MINIMAL}
    files = {"a.json": [task("1.png", box("cat"))], "b-min.json": [minimal], "1.png": None}
    annotation = only(readers.read(lay(tmp_path, files)))
    assert annotation.regions == (BOX,)


def test_a_photo_with_many_turned_boxes_is_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    size = boxes.image_size
    monkeypatch.setattr(boxes, "image_size", lambda photo: opened.append(photo.name) or size(photo))
    turned = [box("cat", x=75, y=25, width=25, height=100, rotation=90) | {"id": str(n)} for n in range(9)]
    for one in turned:
        del one["original_width"]
    found = only(readers.read(lay(tmp_path, {"1.png": None, "export.json": [task("1.png", *turned)]})))
    assert len(found.regions) == 9
    assert opened == ["1.png"]
