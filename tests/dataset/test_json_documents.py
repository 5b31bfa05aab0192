"""Which of a source's JSON files are annotations, and of which form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from annotated_sources import lay
from dahlia.dataset import readers
from dahlia.dataset.readers import json_documents
from dahlia.dataset.readers.tree import Tree
from dahlia.errors import DatasetError

COCO = {
    "images": [{"id": 1, "file_name": "cat/1.png"}],
    "annotations": [{"image_id": 1, "category_id": 1}],
    "categories": [{"id": 1, "name": "cat"}],
}
TASKS = [{"id": 1, "data": {"image": "cat/1.png"}, "annotations": [{"result": []}]}]
MINIMAL = [{"image": "cat/1.png", "id": 1, "label": "cat", "annotator": 1, "annotation_id": 2}]
CREATE_ML = [{"image": "cat/1.png", "label": "cat"}]
LABELME = {"version": "5.0", "flags": {}, "shapes": [], "imagePath": "1.png", "imageData": "iVBORw0KGgo="}
PHOTOS = {"cat/1.png": None, "dog/1.png": None}


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.json", COCO, "coco"),
        ("A.JSON", COCO, "coco"),
        ("a.json", TASKS, "labelstudio"),
        ("a.json", MINIMAL, "labelstudio"),
        ("a.json", CREATE_ML, "createml"),
        ("cat/1.json", LABELME, "labelme"),
        # What lies beside photos and is no annotation: the folders are the tags.
        ("package.json", {"name": "photos", "images": "./"}, "folder"),
        ("a.json", {"images": [], "annotations": []}, "folder"),
        ("a.json", [], "folder"),
        ("a.json", {}, "folder"),
        ("a.json", [1, 2], "folder"),
        ("a.json", "null", "folder"),
        ("a.json", "", "folder"),
        ("a.json", "{", "folder"),
        ("a.json", json.dumps(COCO)[:-5], "folder"),
        ("a.json", b"\xff\x00\xfe", "folder"),
        ("cat/1.png.json", {"title": "1.png", "photoTakenTime": {"timestamp": "1"}}, "folder"),
        ("metadata.json", [{"image": "1.png", "size": 12}], "folder"),
        ("labels.json", {"cat": 0, "dog": 1}, "folder"),
        ("labels.json", ["cat", "dog"], "folder"),
        # Annotations of photos that are elsewhere.
        ("a.json", json.dumps(COCO).replace("cat/1", "fox/9"), "folder"),
        ("a.json", json.dumps(TASKS).replace("cat/1", "fox/9"), "folder"),
        ("a.json", json.dumps(CREATE_ML).replace("cat/1", "fox/9"), "folder"),
    ],
)
def test_which_files_win_over_folders_of_tags(
    tmp_path: Path, name: str, content: object, format: str
) -> None:
    assert readers.read(lay(tmp_path, {**PHOTOS, name: content})).format == format


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(COCO)[:-5], r"a\.json:1: not JSON"),
        (json.dumps(COCO, indent=1)[:-9] + "}", r"a\.json:\d+: not JSON"),
        ('{"images": [{"file_name": "1.png"}], "annotations": []}', "expected the lists images"),
        (b'{"images": [{"file_name": "K\xe4tzchen.png"}]}', r"a\.json:1: expected UTF-8 text"),
        ('[{"label": "cat",\n "coordinates": {"x": 1', r"a\.json:2: not JSON"),
        ('[{"data": {"image": "1.png"}, "annotations": [{"result": [', r"a\.json:1: not JSON"),
        ('{"shapes": [{"label": "cat", "points": [[1, 2]', r"a\.json:1: not JSON"),
        ('{"images": [{"file_name": "1.png"}], "n": ' + "[" * 100_000, "not JSON that can be read"),
        ('{"images": [{"file_name": "1.png"}], "n": ' + "9" * 5_000 + "}", "not JSON that can be read"),
    ],
)
def test_what_is_damaged_is_told_where_nothing_else_gives_tags(
    tmp_path: Path, content: object, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        readers.read(lay(tmp_path, {"1.png": None, "a.json": content}))


def test_a_file_that_is_named_is_always_read(tmp_path: Path) -> None:
    source = lay(tmp_path, {**PHOTOS, "a.json": "{", "b.json": {"photos": []}, "c.json": COCO})
    with pytest.raises(DatasetError, match=r"a\.json:1: not JSON"):
        readers.read(source / "a.json")
    with pytest.raises(DatasetError, match="annotations, categories, found photos"):
        readers.read(source / "b.json")
    assert readers.read(source / "c.json").format == "coco"


def test_other_forms_are_named(tmp_path: Path) -> None:
    source = lay(tmp_path, {**PHOTOS, "a.json": TASKS, "b.json": [1]})
    with pytest.raises(
        DatasetError,
        match=r"in the form of COCO, found a\.json \(Label Studio\), b\.json \(of no known form\)",
    ):
        readers.read(source, "coco")


def test_photos_inside_files_are_not_kept(tmp_path: Path) -> None:
    tree = Tree(lay(tmp_path, {"1.json": LABELME, "1.png": None}).resolve())
    assert json_documents.documents_of(tree, "labelme") == ["1.json"]
    assert json_documents.content_of(tree, "1.json")["imageData"] is True


def test_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_documents, "MAX_BYTES", 100)
    with pytest.raises(DatasetError, match=r"expected at most 100 bytes, received [\d,]+\. Take it out"):
        readers.read(lay(tmp_path, {"1.png": None, "a.json": COCO}))


def test_a_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    loads = json.loads

    def counted(data: bytes) -> Any:
        parsed.append(data)
        return loads(data)

    source = lay(tmp_path, {**PHOTOS, "a.json": COCO, "b.json": {"x": 1}})
    monkeypatch.setattr(json_documents.json, "loads", counted)
    assert readers.read(source).documents == ("a.json",)
    assert len(parsed) == 2
