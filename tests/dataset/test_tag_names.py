"""Names of tags: what no reader takes, and what every reader leaves as it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.errors import DatasetError

Made = dict[str, str]
EMOJI = "\U00010000"  # JSON writes these in halves, YAML does not


def _coco(tag: str) -> Made:
    return {
        "a.json": json.dumps(
            {
                "images": [{"id": 1, "file_name": "1.jpg"}],
                "annotations": [{"image_id": 1, "category_id": 1}],
                "categories": [{"id": 1, "name": tag}],
            }
        )
    }


def _voc(tag: str) -> Made:
    name = "".join(f"&#{ord(character)};" for character in tag)
    return {
        "1.xml": f"<annotation><filename>1.jpg</filename><object><name>{name}</name></object></annotation>"
    }


def _cvat(tag: str) -> Made:
    name = "".join(f"&#{ord(character)};" for character in tag)
    image = f'<image id="0" name="1.jpg" width="4" height="4"><tag label="{name}" source="manual"/></image>'
    return {"annotations.xml": f"<annotations><version>1.1</version>{image}</annotations>"}


def _label_studio(tag: str) -> Made:
    result = {"type": "choices", "from_name": "c", "to_name": "i", "value": {"choices": [tag]}}
    task = {"id": 1, "data": {"image": "1.jpg"}, "annotations": [{"id": 1, "result": [result]}]}
    return {"export.json": json.dumps([task])}


def _labelme(tag: str) -> Made:
    shape = {"label": tag, "points": [[0, 0], [2, 2]], "shape_type": "rectangle", "flags": {}}
    document: dict[str, object] = {
        "version": "5.0.0",
        "flags": {},
        "shapes": [shape],
        "imagePath": "1.jpg",
        "imageData": None,
        "imageHeight": 4,
        "imageWidth": 4,
    }
    return {"1.json": json.dumps(document)}


FORMATS: dict[str, Callable[[str], Made]] = {
    "csv": lambda tag: {"labels.csv": f'file,tag\n1.jpg,"{tag}"\n'},
    "coco": _coco,
    "voc": _voc,
    "cvat": _cvat,
    "yolo": lambda tag: {
        "data.yaml": f"names: [{json.dumps(tag, ensure_ascii=tag < EMOJI)}]\n",
        "1.txt": "0 .5 .5 1 1\n",
    },
    "labelstudio": _label_studio,
    "createml": lambda tag: {"a.json": json.dumps([{"image": "1.jpg", "annotations": [{"label": tag}]}])},
    "labelme": _labelme,
}


def planted(folder: Path, files: Made) -> Path:
    (folder / "1.jpg").write_bytes(b"x")
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tag", ["a\tb", "a\nb", "a\rb", "a\x7fb", "a\u2028b", "a\u0085b"])
def test_a_name_of_several_lines_is_refused(tmp_path: Path, format: str, tag: str) -> None:
    with pytest.raises(DatasetError, match="expected a name in one line of text, received a"):
        readers.read(planted(tmp_path, FORMATS[format](tag)), format)


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\rb"])
def test_a_folder_of_several_lines_is_refused(tmp_path: Path, name: str) -> None:
    for folder in (name, "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match="expected a name in one line of text"):
        readers.read(tmp_path)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "tag",
    [
        "yes",
        "no",
        "007",
        "1.10",
        "null",
        "~",
        "1e3",
        "2024-01-01",
        "true",
        "日本",
        "🌹",
        "a, b",
        "x: y",
        "a#b",
    ],
)
def test_what_is_written_is_the_name(tmp_path: Path, format: str, tag: str) -> None:
    assert readers.read(planted(tmp_path, FORMATS[format](tag)), format).tags == {tag: 1}


@pytest.mark.parametrize(
    "names", ["[yes, no]", "[007, 1.10]", "{0: yes, 1: no}", "\n- on\n- off", "[~, 'null']"]
)
def test_yaml_has_no_types(tmp_path: Path, names: str) -> None:
    files = {"data.yaml": f"names: {names}\n", "1.txt": "0 .5 .5 1 1\n1 .5 .5 1 1\n"}
    (found,) = readers.read(planted(tmp_path, files), "yolo").annotations
    assert list(found.tags) == [
        name.strip("-[]{}' ").partition(": ")[2] or name.strip("-[]{}' ")
        for name in names.replace("\n", ",").split(",")
        if name
    ]
