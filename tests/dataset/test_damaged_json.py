"""Whatever an annotation file has in place of what it should have, reading ends well or with a message."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from annotated_sources import lay
from dahlia.dataset import readers
from dahlia.errors import DatasetError

POSITION = {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 30, "original_width": 40}
SHAPES = [
    {"type": "rectanglelabels", "id": "a", "value": {**POSITION, "rectanglelabels": ["cat"]}},
    {"type": "polygonlabels", "value": {"points": [[1, 2], [3, 4]], "polygonlabels": ["cat"]}},
    {
        "type": "ellipselabels",
        "value": {"x": 1, "y": 2, "radiusX": 3, "radiusY": 4, "ellipselabels": ["cat"]},
    },
    {"type": "choices", "id": "a", "value": {"choices": ["cat"]}},
]
DOCUMENTS: dict[str, Any] = {
    "coco": {
        "images": [
            {"id": 0, "file_name": "1.png", "width": 40, "height": 20},
            {"id": 1, "file_name": "a/2.png"},
        ],
        "annotations": [
            {"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0},
            {"image_id": 1, "category_id": 1, "segmentation": {"size": [20, 40], "counts": "PPYo0"}},
            {"image_id": 1, "category_id": 1, "segmentation": [[1, 2, 3, 4]]},
        ],
        "categories": [{"id": 1, "name": "cat"}],
    },
    "labelstudio": [
        {
            "id": 1,
            "data": {"image": "/data/upload/1/1a2b3c4d-1.png"},
            "file_upload": "1a2b3c4d-1.png",
            "annotations": [{"was_cancelled": False, "result": SHAPES}, {"result": []}],
        }
    ],
    "labelstudio-min": [
        {
            "image": "a/2.png",
            "id": 1,
            "label": [{**POSITION, "rectanglelabels": ["cat"]}],
            "choice": {"choices": ["cat", "dog"]},
            "annotator": 1,
            "annotation_id": 2,
        }
    ],
    "createml": [
        {"image": "1.png", "annotations": [{"label": "cat", "coordinates": {**POSITION}}]},
        {"imagefilename": "a/2.png", "label": "dog"},
    ],
    "labelme": {
        "version": "5.0",
        "flags": {"cat": True},
        "shapes": [
            {"label": "cat", "points": [[1, 2], [3, 4]], "shape_type": kind}
            for kind in ("rectangle", "polygon", "circle")
        ],
        "imagePath": "1.png",
        "imageData": None,
        "imageHeight": 20,
        "imageWidth": 40,
    },
}
ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, float("nan"), float("inf"), -1e308, 1e308, 10**400),
    *(
        "",
        "\0",
        " ",
        "\ud800",
        "x" * 5000,
        "..",
        "../..",
        "/",
        "//",
        "\\",
        "C:\\",
        "a\nb",
        "é/ü",
        "%00",
        "1",
        "0x1",
    ),
    *(
        "http://[",
        "s3://",
        "data:",
        "?d=",
        "/data/local-files/?d=",
        "/upload/",
        "?fileuri=%",
        "a" * 300 + "/b",
    ),
    *([], {}, [None], [[]], [[1]], [1, 2, 3, 4], ["a"], {"a": 1}, {"x": 1, "y": 2}),
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container with each of its keys, at any depth."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from places(inner)


def damaged(document: Any, chance: random.Random) -> Any:
    document = copy.deepcopy(document)
    for _ in range(chance.choice([1, 1, 2, 3])):
        if not (found := list(places(document))):
            break
        container, key = chance.choice(found)
        if chance.random() < 0.15:
            del container[key]
        else:
            container[key] = copy.deepcopy(chance.choice(ODD))
    return document


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("seed", range(2))
def test_no_file_is_a_crash(tmp_path: Path, name: str, seed: int) -> None:
    chance = random.Random(f"{name} {seed}")
    lay(tmp_path, {"1.png": None, "a/2.png": None})
    for _ in range(50):
        (tmp_path / "1.json").write_text(json.dumps(damaged(DOCUMENTS[name], chance)))
        for format in ("auto", name.partition("-")[0]):
            try:
                text = readers.read(tmp_path, format).recognised()
            except DatasetError as error:
                text = str(error)
            assert text.encode()
