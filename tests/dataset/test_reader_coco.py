from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dahlia.dataset import readers
from dahlia.dataset.records import Region
from dahlia.errors import DatasetError

DOCUMENT: dict[str, Any] = {
    "info": {"year": 2017},
    "images": [
        {"id": 7, "file_name": "b.jpg", "width": 200, "height": 100},
        {"id": 9, "file_name": "a.jpg", "width": 50, "height": 50},
        {"id": 8, "file_name": "c.jpg"},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 18, "bbox": [20, 10, 50, 25], "segmentation": []},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [190, 90, 40, -1]},
        {"id": 3, "image_id": 8, "category_id": 3},
    ],
    "categories": [{"id": 3, "name": "cat"}, {"id": 18, "name": "dog"}],
}


def load(folder: Path, document: object) -> list[Any]:
    path = folder / "instances.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return readers.read(path, "coco").annotations


def changed(part: str, index: int, **values: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(DOCUMENT))
    document[part][index].update(values)
    return document


def test_load(tmp_path: Path) -> None:
    a, b, c = load(tmp_path, DOCUMENT)
    assert [entry.path.name for entry in (a, b, c)] == ["a.jpg", "b.jpg", "c.jpg"]
    assert (a.tags, b.tags, c.tags) == ((), ("dog", "cat"), ("cat",))
    assert b.regions == (Region("dog", 0.1, 0.1, 0.25, 0.25), Region("cat", 0.95, 0.9, 0.2, -0.01))
    assert b.path == tmp_path.resolve() / "b.jpg"
    assert b.source == "instances.json"


@pytest.mark.parametrize(
    ("json_place", "image_place"),
    [(".", "."), (".", "images"), ("annotations", "."), ("annotations", "images")],
)
def test_where_images_are_looked_for(tmp_path: Path, json_place: str, image_place: str) -> None:
    for place in (json_place, image_place):
        (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / json_place / "x.json").write_text(json.dumps(DOCUMENT))
    image = tmp_path.resolve() / image_place / "a.jpg"
    image.write_bytes(b"x")
    assert image in [entry.path for entry in readers.read(tmp_path, "coco").annotations]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"images": [\n1,,\n]}', r"instances\.json:2: not JSON"),
        ("[" * 100_000, "not JSON that can be read"),
        ([], "expected the lists images, annotations, categories, found none"),
        ({"images": [], "boxes": []}, "found images, boxes"),
        ({**DOCUMENT, "images": {}}, "images: expected a list of objects"),
        ({**DOCUMENT, "images": [1]}, "images: expected a list of objects"),
        (
            changed("annotations", 1, category_id=19),
            r"annotations\[1\], `category_id`: there is no 19; known: 3, 18",
        ),
        (
            changed("annotations", 1, category_id=[3]),
            r"annotations\[1\]: expected a whole number as `category_id`",
        ),
        (
            changed("annotations", 0, image_id=5),
            r"annotations\[0\], `image_id`: there is no 5; known: 7, 9, 8",
        ),
        (changed("annotations", 0, bbox=[1, 2, 3]), r"annotations\[0\]: expected four numbers"),
        (
            changed("annotations", 0, bbox=[1, 2, 3, "x"]),
            r"annotations\[0\], `bbox`: expected a number, received 'x'",
        ),
        (
            changed("annotations", 0, bbox=[1, 2, 3, float("nan")]),
            r"annotations\[0\], `bbox`: expected a number",
        ),
        (changed("images", 1, id=7), "expected an `id` of its own for each image"),
        (changed("images", 1, file_name=None), r"images\[1\]: expected text as `file_name`"),
        (changed("images", 1, file_name="../../etc/passwd"), r"images\[1\]: expected a file inside"),
        (changed("images", 1, file_name="/etc/passwd"), r"images\[1\]: expected a file inside"),
        (changed("categories", 0, name=" "), r"categories\[0\]: expected the name of a tag"),
    ],
)
def test_what_is_malformed(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(tmp_path, document)
