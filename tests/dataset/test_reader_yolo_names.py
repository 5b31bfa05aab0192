"""What the classes of a YOLO dataset are called, and which files are taken for YOLO's."""

from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.errors import DatasetError


def build(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def tags(root: Path, files: dict[str, str | bytes]) -> list[str]:
    reading = readers.read(build(root, files))
    assert reading.format == "yolo"
    return [tag for one in reading.annotations for tag in one.tags]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[yes, no]", ["yes", "no"]),
        ("[on, Off]", ["on", "Off"]),
        ("[007, 7]", ["007", "7"]),
        ("[1.10, 1.1]", ["1.10", "1.1"]),
        ("[null, ~]", ["null", "~"]),
        ("[Null, NULL]", ["Null", "NULL"]),
        ("[2024-01-01, 12:30:45]", ["2024-01-01", "12:30:45"]),
        ("[1e3, 1000.0]", ["1e3", "1000.0"]),
        ("[0x1F, 0b11]", ["0x1F", "0b11"]),
        ("[1_000, .5]", ["1_000", ".5"]),
        ("[.inf, .NaN]", [".inf", ".NaN"]),
        ("[true, FALSE]", ["true", "FALSE"]),
        ("['yes', \"no\"]", ["yes", "no"]),
        ("[!!int 07, !!str 8]", ["07", "8"]),
        ("[y, n]", ["y", "n"]),
        ("[<<, =]", ["<<", "="]),
        ("\n- yes\n- 'a: b'", ["yes", "a: b"]),
        ("\n  0: yes\n  1: no", ["yes", "no"]),
        ("{0: 007, 1: 1.10}", ["007", "1.10"]),
        ('{"0": a, "1": b}', ["a", "b"]),
        ("{00: a, 01: b}", ["a", "b"]),
        ("{1: b, 0: a, 7: c}", ["a", "b"]),
        ("[ fork , Löffel]", ["fork", "Löffel"]),
        ("[Lo\u0308ffel, 犬]", ["Löffel", "犬"]),
        ("['a, b', 'c;d']", ["a, b", "c;d"]),
        ("[same, same]", ["same"]),
    ],
)
def test_what_is_written_is_the_name(tmp_path: Path, names: str, expected: list[str]) -> None:
    label = "0 .5 .5 .1 .1\n1 .5 .5 .1 .1\n"
    files: dict[str, str | bytes] = {
        "data.yaml": f"names: {names}\n",
        "images/a.jpg": "",
        "labels/a.txt": label,
    }
    assert tags(tmp_path, files) == expected


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"data.yaml": "nc: 3\nnames: [a, b]"}, r"as many names as `nc: 3` says, received 2 \(a, b\)"),
        ({"data.yaml": "nc: 1\nnames: {0: a, 1: b}"}, "as many names as `nc: 1` says, received 2"),
        ({"data.yaml": "names: {0: a, 0: b}"}, "expected `0` once, received 'a' and 'b'"),
        ({"data.yaml": "names: {0: a, '00': b}"}, "class 0 is called “a” and “b”"),
        ({"data.yaml": "names: [a, [b]]"}, r"expected the name of class 1, received \['b'\]"),
        ({"data.yaml": "names: [a, '']"}, "class 1: expected the name of a tag, received ''"),
        ({"data.yaml": 'names: ["a\\nb"]'}, "received a control character"),
        ({"data.yaml": 'names: ["a\\tb"]'}, "received a control character"),
        ({"data.yaml": 'names: ["a\\u2028b"]'}, "received a line separator"),
        ({"data.yaml": "names: []"}, r"expected `names: \[first, second\]`, received \[\]"),
        ({"data.yaml": "a: &a [x]\nnames: *a"}, r"not YAML \(expected no aliases, received \*a"),
        ({"data.yaml": "names: !thing [x]"}, "expected plain values, received !thing"),
        ({"data.yaml": "names:\n\t- a"}, r"data\.yaml: not YAML"),
        ({"data.yaml": "names: [a]\n---\nnames: [b]"}, r"data\.yaml: not YAML"),
        ({"data.yaml": "names: " + "[" * 5_000}, r"data\.yaml: not YAML"),
        ({"data.yaml": "kpt_shape: 17\nnames: [a]"}, r"`kpt_shape`: expected two numbers such as \[17, 3\]"),
        ({"data.yaml": b"names: [\xff]"}, r"data\.yaml:1: expected UTF-8 text"),
        ({"classes.txt": b"L\xf6ffel\n"}, r"classes\.txt:1: expected UTF-8 text"),
        ({"classes.txt": "a\tb\n"}, r"classes\.txt:1: expected a name in one line"),
        ({"classes.txt": "a\u2028b\n"}, r"classes\.txt:1: expected a name in one line"),
        ({"classes.txt": "a", "labels/classes.txt": "b"}, "received classes.txt and labels/classes.txt"),
        ({"obj.data": "classes = 2\nnames = obj.names", "obj.names": "a\n"}, "`classes: 2` says, received 1"),
        ({}, "Expected the names of the classes"),
    ],
)
def test_names_that_are_malformed(tmp_path: Path, files: dict[str, str | bytes], message: str) -> None:
    photos: dict[str, str | bytes] = {"images/a.jpg": "", "labels/a.txt": "0 .5 .5 .1 .1"}
    with pytest.raises(DatasetError, match=message):
        readers.read(build(tmp_path, {**photos, **files}))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"data.yaml": "nc: 2\nnames: [a, b]"}, "a"),
        ({"data.yaml": "nc: 8\nnames: {0: a, 7: b}"}, "a"),
        ({"dataset.yml": "names: [a, b]"}, "a"),
        ({"shapes.yaml": "nc: 1\nnames: [a]"}, "a"),
        ({"config.yml": "train: images\nnames: [a]"}, "a"),
        ({"data.yaml": "names: classes.names", "classes.names": "a\r\nb\r\n"}, "a"),
        ({"data.yaml": "\ufeffnames: [a]".encode("utf-16-le")}, "a"),
        ({"data.yaml": "names: [a]", "classes.txt": "other"}, "a"),
        ({"shapes.yaml": "nc: 1\nnames: [a]", "docker-compose.yml": "services: {a: &x {}, b: *x}"}, "a"),
        ({"classes.txt": "a\nb\n"}, "a"),
        ({"classes.txt": "a\r\nb\r\n\r\n"}, "a"),
        ({"classes.txt": "\ufeffa"}, "a"),
        ({"Classes.TXT": "a"}, "a"),
        ({"labels/classes.txt": "a\rb\r"}, "a"),
        ({"predefined_classes.txt": "a"}, "a"),
        ({"obj.names": "a\n"}, "a"),
        ({"coco.names": "a\n"}, "a"),
        ({"images/_darknet.labels": "a\n"}, "a"),
    ],
)
def test_where_names_are(tmp_path: Path, files: dict[str, str | bytes], expected: str) -> None:
    photos: dict[str, str | bytes] = {"images/a.jpg": "", "labels/a.txt": "0 .5 .5 .1 .1"}
    assert tags(tmp_path, {**photos, **files}) == [expected]


@pytest.mark.parametrize(
    "files",
    [
        {"docker-compose.yml": "services: {web: {image: x}}"},
        {"docker-compose.yml": "x: &x {a: 1}\nservices: {web: *x}"},
        {"config.yaml": "path: .\ntrain: cat\n"},
        {"config.yaml": "names: [a, b]\n"},
        {"environment.yml": "names: conda\nnc: 3\n"},
        {"data.yaml": "names: [cat, dog]\ntrain: cat\n"},
        {"data.yaml": "{{ broken"},
        {"classes.txt": "cat\ndog\n"},
        {"cat/1.txt": "a cat on a sofa, 4 k", "classes.txt": "cat\ndog\n"},
        {"cat/1.txt": "0 .5 .5 .1 .1"},
        {"labels.txt": "cat\ndog\n"},
        {"obj.data": "classes = 2"},
        {"labels/readme.txt": "These photos are mine.", "classes.txt": "cat\ndog\n"},
    ],
)
def test_beside_tag_folders_these_are_no_annotations(tmp_path: Path, files: dict[str, str | bytes]) -> None:
    reading = readers.read(build(tmp_path, {"cat/1.jpg": "", "dog/2.jpg": "", **files}))
    assert reading.format == "folder"
    assert reading.tags == {"cat": 1, "dog": 1}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a.jpg": "", "a.txt": "0 .5 .5 .1 .1", "classes.txt": "fork"}, {"a": ("fork",)}),
        ({"a.jpg": "", "a.txt": "", "b.jpg": "", "b.txt": "0 .5 .5 .1 .1", "classes.txt": "fork"},
         {"a": (), "b": ("fork",)}),
        ({"x/a.JPG": "", "x/a.txt": "0 .5 .5 .1 .1", "x/classes.txt": "fork", "x/b.png": ""},
         {"a": ("fork",), "b": ()}),
        ({"photos/a.jpg": "", "labels/a.txt": "0 .5 .5 .1 .1", "classes.txt": "fork"}, {"a": ("fork",)}),
        ({"Images/a.jpg": "", "Labels/A.txt": "0 .5 .5 .1 .1", "classes.txt": "fork"}, {"a": ("fork",)}),
        ({"images/a.jpg": "", "images/a.txt": "0 .5 .5 .1 .1", "images/obj.names": "fork"}, {"a": ("fork",)}),
        ({"images/a.jpg": "", "images/a.txt": "a caption", "labels/a.txt": "0 .5 .5 .1 .1",
          "classes.txt": "fork"}, {"a": ("fork",)}),
        ({"images/a.b.jpg": "", "labels/a.b.txt": "0 .5 .5 .1 .1", "obj.names": "fork"}, {"a.b": ("fork",)}),
        ({"images/a.jpg": "", "images/a.png": "", "labels/a.txt": "0 .5 .5 .1 .1", "classes.txt": "fork"},
         {"a": ("fork",)}),
        ({"images/e\u0301.jpg": "", "labels/é.txt": "0 .5 .5 .1 .1", "classes.txt": "fork"},
         {"e\u0301": ("fork",)}),
        ({"data/a.jpg": "", "data/a.txt": "0 .5 .5 .1 .1", "obj.names": "fork", "images.txt": "data/a.jpg"},
         {"a": ("fork",)}),
        ({"train/a.jpg": "", "train/a.txt": "1 .5 .5 .1 .1", "train/_darknet.labels": "fork\nspoon",
          "valid/b.jpg": "", "valid/b.txt": "0 .5 .5 .1 .1", "valid/_darknet.labels": "fork\nspoon"},
         {"a": ("spoon",), "b": ("fork",)}),
        ({"cat/a.jpg": "", "cat/a.txt": "0 .5 .5 .1 .1", "dog/b.jpg": "", "dog/b.txt": "1 .5 .5 .1 .1",
          "classes.txt": "tail\near"}, {"a": ("tail",), "b": ("ear",)}),
    ],
)  # fmt: skip
def test_where_labels_are(
    tmp_path: Path, files: dict[str, str], expected: dict[str, tuple[str, ...]]
) -> None:
    reading = readers.read(build(tmp_path, dict(files)))
    assert reading.format == "yolo"
    assert {one.path.stem: one.tags for one in reading.annotations} == expected


TAIL, EAR = "0 .5 .5 .1 .1", "1 .5 .5 .1 .1"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"images/a.jpg": "", "images/A.jpg": "", "labels/a.txt": TAIL, "labels/A.txt": EAR},
         {"images/a.jpg": ("tail",), "images/A.jpg": ("ear",)}),
        ({"images/a.jpg": "", "images/A.jpg": "", "labels/a.txt": TAIL},
         {"images/a.jpg": ("tail",), "images/A.jpg": ()}),
        ({"images/a.jpg": "", "photos/a.jpg": "", "labels/a.txt": TAIL}, {"images/a.jpg": ("tail",)}),
        ({"images/a.jpg": "", "images/a.txt": TAIL, "photos/a.jpg": "", "photos/a.txt": EAR},
         {"images/a.jpg": ("tail",), "photos/a.jpg": ("ear",)}),
        ({"images/my%20a.jpg": "", "labels/my a.txt": TAIL}, {"images/my%20a.jpg": ("tail",)}),
        ({"images/my a.jpg": "", "labels/my%20a.txt": TAIL}, {"images/my a.jpg": ("tail",)}),
        ({"images/a.jpg": "", "images/a.png": "", "labels/a.txt": TAIL},
         {"images/a.jpg": ("tail",), "images/a.png": ("tail",)}),
        ({"x/images/a.jpg": "", "y/images/a.jpg": "", "x/labels/a.txt": TAIL, "y/labels/a.txt": EAR},
         {"x/images/a.jpg": ("tail",), "y/images/a.jpg": ("ear",)}),
    ],
)  # fmt: skip
def test_a_label_is_of_the_photo_that_it_fits_best(
    tmp_path: Path, files: dict[str, str | bytes], expected: dict[str, tuple[str, ...]]
) -> None:
    reading = readers.read(build(tmp_path, {**files, "classes.txt": "tail\near"}))
    root = tmp_path.resolve()
    assert {one.path.relative_to(root).as_posix(): one.tags for one in reading.annotations} == expected


def test_splits_of_folders_have_their_names(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        f"{split}/{name}": text
        for split in ("Train", "Valid", "Test")
        for name, text in (("a.jpg", ""), ("a.txt", "0 .5 .5 .1 .1"), ("_darknet.labels", "fork"))
    }
    reading = readers.read(build(tmp_path, files))
    assert reading.recognised() == "YOLO: train 1, valid 1, test 1 photo; tags fork"


def test_labels_without_names_say_what_is_missing(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "images/north/a.jpg": "",
        "images/south/b.jpg": "",
        "labels/north/a.txt": "0 .5 .5 .1 .1",
    }
    with pytest.raises(DatasetError, match=r"Expected the names of the classes.*`ingest\.format: folder`"):
        readers.read(build(tmp_path, files))
