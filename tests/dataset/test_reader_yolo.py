from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dahlia.dataset import readers
from dahlia.dataset.readers import yolo
from dahlia.dataset.records import Annotation, Region
from dahlia.errors import DatasetError


def build(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def brief(root: Path, annotations: list[Annotation]) -> list[str]:
    names = [entry.path.relative_to(root.resolve()).as_posix() for entry in annotations]
    said = [f"{'+'.join(entry.tags)} {entry.subset} {entry.source}" for entry in annotations]
    return [f"{name} {text}" for name, text in zip(names, said, strict=True)]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                "classes.txt": "fork\nspoon\n",
                "images/a.jpg": "",
                "labels/a.txt": "1 .5 .5 .2 .2\n\n0 .5 .5 1 1\n",
            },
            ["images/a.jpg spoon+fork train labels/a.txt"],
        ),
        (
            {
                "labels/classes.txt": "fork",
                "images/a.jpg": "",
                "images/b.jpg": "",
                "labels/a.txt": "0 .5 .5 1 1",
            },
            ["images/a.jpg fork train labels/a.txt", "images/b.jpg  train labels/b.txt"],
        ),
        (
            {
                "data.yaml": "names: [fork, spoon]",
                "images/train/a.jpg": "",
                "labels/train/a.txt": "0 .5 .5 1 1",
                "images/test/b.jpg": "",
                "labels/test/b.txt": "1 .5 .5 1 1",
            },
            [
                "images/test/b.jpg spoon test labels/test/b.txt",
                "images/train/a.jpg fork train labels/train/a.txt",
            ],
        ),
        (
            {
                "data.yaml": "names: {0: fork, 5: spoon}",
                "train/images/a.jpg": "",
                "train/labels/a.txt": "5 .5 .5 1 1",
                "test/images/b.jpg": "",
                "test/labels/b.txt": "",
                "other.jpg": "",
            },
            [
                "test/images/b.jpg  test test/labels/b.txt",
                "train/images/a.jpg spoon train train/labels/a.txt",
            ],
        ),
        (
            {"classes.txt": "fork", "labels/a.txt": "0 .5 .5 1 1", "labels/readme.txt": "These are mine."},
            ["images/a.jpg fork train labels/a.txt"],
        ),
    ],
    ids=["classes.txt", "in labels", "subsets below", "subsets above", "missing image"],
)
def test_load(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    assert brief(tmp_path, readers.read(build(tmp_path, files), "yolo").annotations) == expected


def test_boxes_are_centred(tmp_path: Path) -> None:
    files = {"classes.txt": "fork", "images/a.png": "", "labels/a.txt": "0 0.5 0.25 0.5 0.25\n0 0 0 0.5 0\n"}
    (found,) = readers.read(build(tmp_path, files), "yolo").annotations
    assert found.regions == (Region("fork", 0.25, 0.125, 0.5, 0.25), Region("fork", -0.25, 0, 0.5, 0))


def test_saved_layout_is_what_trainers_expect(tmp_path: Path) -> None:
    image = build(tmp_path, {"photo.png": "x"}).resolve() / "photo.png"
    boxes = (Region("spoon", 0, 0, 1, 1), Region("fork", 0.25, 0.125, 0.5, 0.25))
    yolo.save([Annotation(image, ("spoon", "fork"), boxes)], tmp_path / "out")
    content = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert content["names"] == {0: "fork", 1: "spoon"}
    assert {key: content.get(key) for key in ("train", "val", "test")} == {
        "train": "images/train",
        "val": "images/train",
        "test": None,
    }
    assert (tmp_path / "out/images/train/photo.png").read_bytes() == b"x"
    assert (tmp_path / "out/labels/train/photo.txt").read_text() == "1 0.5 0.5 1 1\n0 0.5 0.25 0.5 0.25\n"


def test_a_saved_test_set_is_held_out(tmp_path: Path) -> None:
    root = build(tmp_path, {"a.png": "x", "b.png": "y"}).resolve()
    box = (Region("fork", 0.25, 0.125, 0.5, 0.25),)
    saved = [
        Annotation(root / "a.png", ("fork",), box),
        Annotation(root / "b.png", ("fork",), box, "test"),
    ]
    yolo.save(saved, tmp_path / "out")
    content = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert (content["train"], content["val"], content["test"]) == (
        "images/train",
        "images/test",
        "images/test",
    )
    again = readers.read(tmp_path / "out").annotations
    assert [(one.path.name, one.subset) for one in again] == [("b.png", "test"), ("a.png", "train")]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"labels/a.txt": ""}, "Expected the names of the classes .* found neither"),
        ({"labels/a.txt": "0 .5 .5 1 1"}, "Expected the names of the classes .* found neither"),
        ({"classes.txt": "fork\n\nspoon", "labels/a.txt": ""}, r"classes\.txt:2: expected the name of a tag"),
        ({"data.yaml": "names: ["}, r"data\.yaml: not YAML"),
        ({"data.yaml": "nc: 2"}, r"data\.yaml: expected `names: \[first, second\]`, received None"),
        ({"data.yaml": "names: fork"}, "received 'fork'"),
        ({"data.yaml": "names: 3"}, "received '3'"),
        ({"data.yaml": "- fork"}, "received None"),
        ({"data.yaml": "names: {a: fork}"}, "expected `names"),
        ({"data.yaml": "names: !!python/object/apply:os.system [ls]"}, r"data\.yaml: not YAML"),
        (
            {"classes.txt": "fork", "labels/a.txt": "0 .5 .5 1 1\n7 .5 .5 1 1"},
            r"a\.txt:2: there is no class 7; known: 0 fork",
        ),
        ({"classes.txt": "fork", "labels/a.txt": "0.5 .5 .5 1 1"}, r"a\.txt:1: there is no class 0.5"),
        (
            {"classes.txt": "fork", "labels/a.txt": "0 .5 .5 1"},
            r"a\.txt:1: expected `class centre-x.* received 4 values",
        ),
        (
            {"classes.txt": "fork", "labels/a.txt": "0 .5 .5 1 wide"},
            r"a\.txt:1: expected a number, received 'wide'",
        ),
        (
            {"classes.txt": "fork", "labels/a.txt": "0 .5 .5 1 nan"},
            r"a\.txt:1: expected a number, received 'nan'",
        ),
    ],
)
def test_what_is_malformed(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        readers.read(build(tmp_path, files), "yolo")
