"""Groups as sources name them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from dahlia.dataset import readers
from dahlia.dataset.groups import MAX_GROUP_LENGTH, NamedGroups, group_name, named_groups, tidy_group
from dahlia.dataset.records import Annotation, ImageRecord
from dahlia.errors import DatasetError


def put(root: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        Image.new("RGB", (8, 6), (seed, 90, 160)).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())
    return root


def brief(annotations: Sequence[Annotation]) -> list[str]:
    return [f"{one.path.name} {'+'.join(one.tags)} {one.group}" for one in annotations]


def table(root: Path, content: str | bytes) -> readers.Reading:
    (root / "labels.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return readers.read(root / "labels.csv", "csv")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("file,tag,group\na.jpg,cat,yard\nb.jpg,dog,yard\n", ["a.jpg cat yard", "b.jpg dog yard"]),
        ("\ufefffile,tag,Group\r\na.jpg,cat,yard\r\n", ["a.jpg cat yard"]),
        ("file;tag;group id\na.jpg;cat;yard, left\n", ["a.jpg cat yard, left"]),
        ('file,tag,group\na.jpg,cat,"yard, left"\n', ["a.jpg cat yard, left"]),
        ("file,tag,group\na.jpg,cat,  old \u00a0 yard\n", ["a.jpg cat old yard"]),
        ('file,tag,group\na.jpg,cat,"old\nyard"\n', ["a.jpg cat old yard"]),
        ("file,tag,group\na.jpg,cat,cafe\u0301\n", ["a.jpg cat caf\u00e9"]),
        ("group,file,tag\n,a.jpg,cat\nNaN,b.jpg,cat\n", ["a.jpg cat None", "b.jpg cat None"]),
        ("file,tag,group\na.jpg,cat\nb.jpg,cat,x\n", ["a.jpg cat None", "b.jpg cat x"]),
        ("file,tag,group\na.jpg,cat,3.0\nb.jpg,cat,3\nc.jpg,cat,03\n",
         ["a.jpg cat 3", "b.jpg cat 3", "c.jpg cat 03"]),
        ("file,tag,group\na.jpg,cat,0\nb.jpg,cat,1\n", ["a.jpg cat 0", "b.jpg cat 1"]),
        ("file,tag,group\na.jpg,cat,C:\\plots\\a\n", ["a.jpg cat C:\\plots\\a"]),
        ("file,tag,group\na.jpg,cat,x\na.jpg,dog,\n", ["a.jpg cat+dog x"]),
        ("file,tag,group,groups\na.jpg,cat,x,y\n", ["a.jpg cat x"]),
        # A column of 0 and 1 is a tag where such columns are the tags.
        ("file,alone,group\na.jpg,0,1\nb.jpg,1,0\n", ["a.jpg group None", "b.jpg alone None"]),
        ("file,cat,dog,group\na.jpg,0,1,x\nb.jpg,1,0,y\n", ["a.jpg dog x", "b.jpg cat y"]),
        ("file,tag,group\na.jpg,cat,train\nb.jpg,dog,valid\n", ["a.jpg cat None", "b.jpg dog None"]),
    ],
)  # fmt: skip
def test_a_table_has_a_column_of_groups(tmp_path: Path, content: str, expected: list[str]) -> None:
    assert brief(table(tmp_path, content).annotations) == expected


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("file,tag,patient_id\na.jpg,x,1\nb.jpg,x,1\nc.jpg,x,2\n", "`patient_id` has 2 values in 3 rows"),
        ("file,tag,Location\na.jpg,x,A\nb.jpg,y,A\nc.jpg,y,B\n", "`Location` has 2 values in 3 rows"),
        ("file,tag,patient_id,group\na.jpg,x,1,q\nb.jpg,x,1,q\nc.jpg,x,2,r\n", ""),
        ("file,tag,site\na.jpg,x,1\nb.jpg,x,2\nc.jpg,y,3\n", ""),  # each photo in its own
        ("file,tag,site\na.jpg,x,1\nb.jpg,x,1\nc.jpg,x,1\n", ""),
        ("file,tag,product\na.jpg,x,1\nb.jpg,x,1\nc.jpg,y,2\n", ""),  # the tags in other words
        ("file,tag,camera\na.jpg,x,\nb.jpg,x,\nc.jpg,x,2\n", ""),
    ],
)
def test_a_column_that_may_name_groups_is_told(tmp_path: Path, content: str, told: str) -> None:
    reading = table(tmp_path, content)
    assert [one.group for one in reading.annotations if "group" not in content] in ([], [None] * 3)
    found = [note.found for note in reading.notes if note.code == "unread-groups"]
    assert [told in text for text in found] == [True] * bool(told)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "file,tag,group\na.jpg,cat,x\na.jpg,dog,y\n",
            r"csv:3: a\.jpg is in the group “y” here and in “x”",
        ),
        (
            f"file,tag,group\na.jpg,cat,{'x' * 201}\n",
            r"csv:2, column `group`: expected at most 200 .*201",
        ),
        ("file,tag,group\na.jpg,cat,x\x07y\n", r"csv:2, column `group`: expected .* without control"),
        ("file,tag,group\na.jpg,cat,yard, left\n", "csv:2: expected 3 cells, received 4. Quote cells"),
    ],
)
def test_rows_that_cannot_be_read(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        table(tmp_path, content)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, None),
        (float("nan"), None),
        (" ", None),
        ("\u200b", None),
        ("None", None),
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
    ],
)
def test_names_from_values(value: object, name: str | None) -> None:
    assert group_name(value, "here") == name


@pytest.mark.parametrize("value", [True, ["x"], {"name": "x"}])
def test_values_that_are_no_names(value: object) -> None:
    with pytest.raises(DatasetError, match="a: expected the name of a group as text"):
        group_name(value, "a")


@pytest.mark.parametrize(
    "text", ["", " ", "\u200b\u200d", "nan", "plot 1", "a\nb\x07 c\0", "é" * 300, "3.0", "\ud800", "x" * 9000]
)
def test_any_text_becomes_a_name_that_is_taken(text: str) -> None:
    name = tidy_group(text)
    assert name is None or (group_name(name, "") == name and len(name) <= MAX_GROUP_LENGTH)
    assert tidy_group(name or "") == name


def test_long_texts_stay_apart() -> None:
    assert tidy_group("x" * 250 + "a") != tidy_group("x" * 250 + "b")


@pytest.mark.parametrize("format", ["csv", "coco", "createml", "labelstudio", "cvat"])
def test_what_is_written_is_read_again(tmp_path: Path, format: str) -> None:
    root = put(tmp_path.resolve(), "a.png", "b.png", "c.png")
    said = [
        Annotation(root / "a.png", ("cat",), group="yard, “left”"),
        Annotation(root / "b.png", ("cat", "dog"), group="3"),
        Annotation(root / "c.png", ("dog",), (), "test"),
    ]
    target = root / ("labels." + {"csv": "csv", "cvat": "xml"}.get(format, "json"))
    readers.write(said, target, format)
    reading = readers.read(target, format)
    assert [one.group for one in reading.annotations] == ["yard, “left”", "3", None]
    assert reading.recognised().endswith("; 2 photos in 2 groups")
    plain = readers.read(target, format, groups="none")
    assert [one.group for one in plain.annotations] == [None] * 3
    assert brief([replace(one, group=None) for one in reading.annotations]) == brief(plain.annotations)


@pytest.mark.parametrize("format", ["folder", "voc", "yolo", "labelme"])
def test_formats_without_groups_refuse_them(tmp_path: Path, format: str) -> None:
    root = put(tmp_path.resolve(), "a.png")
    with pytest.raises(DatasetError, match=r"which `.*` does not hold. Write one of csv, coco"):
        readers.write([Annotation(root / "a.png", ("cat",), group="x")], root / "out", format)


def test_a_bad_group_in_json_names_its_place(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    (tmp_path / "a.json").write_text(json.dumps([{"image": "a.png", "label": "cat", "group": ["x"]}]))
    with pytest.raises(DatasetError, match=r"a\.json.*`group`: expected the name of a group as text"):
        readers.read(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["cat/yard/1.png", "cat/yard/2.png", "cat/hall/1.png", "dog/yard/3.png", "dog/4.png"],
            ["1.png cat hall", "1.png cat yard", "2.png cat yard", "4.png dog None", "3.png dog yard"],
        ),
        (
            ["train/cat/yard/1.png", "test/cat/hall/2.png", "train/dog/yard/3.png"],
            ["2.png cat hall", "1.png cat yard", "3.png dog yard"],
        ),
        (["cat/yard/2024/1.png", "dog/hall/2.png"], ["1.png cat yard", "2.png dog hall"]),
        (["cat/images/yard/1.png", "dog/hall/2.png"], ["1.png cat yard", "2.png dog hall"]),
        (["cat/2023-05-01/1.png", "dog/100APPLE/2.png"], ["1.png cat 2023-05-01", "2.png dog 100APPLE"]),
        (["all/cat/yard/1.png", "all/dog/hall/2.png"], ["1.png cat yard", "2.png dog hall"]),
        (
            [f"{tag}/{group}/1.png" for tag in ("cat", "dog") for group in ("hall", "yard")],
            ["1.png cat hall", "1.png cat yard", "1.png dog hall", "1.png dog yard"],
        ),
    ],
)
def test_folders_inside_those_of_tags_are_groups_if_asked(
    tmp_path: Path, names: list[str], expected: list[str]
) -> None:
    reading = readers.read(put(tmp_path / "photos", *names), groups="folders")
    assert brief(reading.annotations) == expected
    assert "with groups inside" in reading.recognised()
    assert reading.notes == ()


def test_folders_are_no_groups_unasked(tmp_path: Path) -> None:
    root = put(tmp_path, "cat/yard/1.png", "cat/hall/2.png", "dog/3.png", "dog/4.png")
    reading = readers.read(root)
    assert [one.group for one in reading.annotations] == [None] * 4
    assert [note.code for note in reading.notes] == ["nested-folders"]
    assert [one.tags for one in readers.read(root, groups="folders").annotations] == [
        one.tags for one in reading.annotations
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cat/1.png", "dog/2.png"], "folders of groups inside those of tags .* found none"),
        (["cat/train/1.png", "cat/test/2.png", "dog/3.png"], "Expected splits around tags"),
        (["cat/train/1.png", "cat/val/2.png", "dog/train/3.png", "dog/val/4.png"], "Expected splits around"),
        (["cat/yard\x07/1.png", "dog/hall/2.png"], "without control characters"),
    ],
)
def test_folders_that_cannot_be_groups(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        readers.read(put(tmp_path / "photos", *names), groups="folders")


def test_annotations_name_their_groups_themselves(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png")
    (tmp_path / "labels.csv").write_text("file,tag\ncat/1.png,cat\n")
    with pytest.raises(DatasetError, match="received annotations in the format `csv`"):
        readers.read(tmp_path, groups="folders")


def test_the_stop_says_how_to_name_groups(tmp_path: Path) -> None:
    root = put(tmp_path, *(f"{tag}/{group}/1.png" for tag in ("cat", "dog") for group in ("hall", "yard")))
    with pytest.raises(DatasetError, match=r"`ingest\.groups: folders`"):
        readers.read(root)


def record(name: str, group: str | None, *tags: str, subset: str = "train") -> ImageRecord:
    return ImageRecord(name, name, 8, 8, tags, (), subset, "t", "0" * 16, group)  # type: ignore[arg-type]


def test_counts() -> None:
    records = [
        record("a", "x", "cat"),
        record("b", "x", "cat", "dog"),
        record("c", "y", "cat"),
        record("d", None, "fox"),
        record("e", "z", "cat", subset="test"),
    ]
    assert named_groups(records) == NamedGroups(2, 3, 1, {"cat": 2, "dog": 1, "fox": 0})
    assert named_groups([record("a", None, "cat"), record("b", "x", "cat", subset="test")]) is None
