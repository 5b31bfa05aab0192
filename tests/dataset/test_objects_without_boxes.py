"""An object without a box beside others of its tag: a detector would learn it as background."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dahlia.dataset import readers
from dahlia.dataset.inspection import merge_copies
from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.records import Annotation, Region
from dahlia.dataset.source_summary import summarise
from dahlia.dataset.validation import validate
from validation_photos import encoded, make_params, photo

ODD, SOUND = "odd.jpg", "sound.jpg"
VOC_BOX = "<bndbox><xmin>10</xmin><ymin>10</ymin><xmax>60</xmax><ymax>60</ymax></bndbox>"


def coco(root: Path, **odd: Any) -> None:
    def entry(image: int, **more: Any) -> dict[str, Any]:
        return {"image_id": image, "category_id": 1, **more}

    box = [10, 10, 50, 50]
    document = {
        "images": [{"id": 0, "file_name": ODD}, {"id": 1, "file_name": SOUND}],
        "annotations": [entry(0, bbox=box), entry(0, **odd), entry(1, bbox=box)],
        "categories": [{"id": 1, "name": "ash"}],
    }
    (root / "annotations.json").write_text(json.dumps(document))


def voc(root: Path) -> None:
    for name, places in ((ODD, (VOC_BOX, "")), (SOUND, (VOC_BOX,))):
        objects = "".join(f"<object><name>ash</name>{place}</object>" for place in places)
        text = f"<annotation><filename>{name}</filename>{objects}</annotation>"
        (root / name).with_suffix(".xml").write_text(text)


def cvat(root: Path) -> None:
    box = '<box label="ash" xtl="10" ytl="10" xbr="60" ybr="60"/>'
    odd = f'<image name="{ODD}">{box}<points label="ash" points="90,90"/></image>'
    sound = f'<image name="{SOUND}"><tag label="ash"/>{box}</image>'
    (root / "annotations.xml").write_text(f"<annotations>{odd}{sound}</annotations>")


def labelme(root: Path) -> None:
    box = {"label": "ash", "shape_type": "rectangle", "points": [[10, 10], [60, 60]]}
    point = {"label": "ash", "shape_type": "point", "points": [[90, 90]]}
    for name, shapes, flags in ((ODD, [box, point], {}), (SOUND, [box], {"ash": True})):
        entry = {"version": "5", "shapes": shapes, "flags": flags, "imagePath": name}
        (root / name).with_suffix(".json").write_text(json.dumps(entry))


def labelstudio(root: Path) -> None:
    box = {"x": 5, "y": 5, "width": 30, "height": 30, "rectanglelabels": ["ash"]}
    point = {"x": 70, "y": 70, "width": 1, "keypointlabels": ["ash"]}
    choice = {"type": "choices", "value": {"choices": ["ash"]}}
    results = {
        ODD: [{"type": "rectanglelabels", "value": box}, {"type": "keypointlabels", "value": point}],
        SOUND: [{"type": "rectanglelabels", "value": box}, choice],
    }
    tasks = [{"data": {"image": name}, "annotations": [{"result": said}]} for name, said in results.items()]
    (root / "tasks.json").write_text(json.dumps(tasks))


@pytest.mark.parametrize(
    "save",
    [
        pytest.param(lambda root: coco(root), id="coco"),
        pytest.param(lambda root: coco(root, bbox=None, segmentation=None), id="coco-null"),
        pytest.param(lambda root: coco(root, bbox=[80, 80, 40, 40], iscrowd=1), id="coco-crowd"),
        voc,
        cvat,
        labelme,
        labelstudio,
    ],
)
def test_the_photo_is_left_out(tmp_path: Path, save: Any) -> None:
    for place, name in enumerate((ODD, SOUND)):
        (tmp_path / name).write_bytes(encoded(photo(place)))
    save(tmp_path)
    reading = readers.read(tmp_path)
    source = summarise(reading, reading.root)
    rows = list(inspect_all(reading.annotations, reading.root, max_bytes=10**7, workers=1))
    validation = validate(rows, merge_copies(rows), make_params(domain="detection_general_compact"), source)
    (finding,) = [one for one in validation.findings if one.code == "object-without-box"]
    assert finding.set_aside == (ODD,)
    assert validation.boxes == {"ash": (1, 0)}
    tagged = validate(rows, merge_copies(rows), make_params(domain="general_compact"), source)
    assert "object-without-box" not in {one.code for one in tagged.findings}
    assert tagged.tags == {"ash": (2, 0)}


@pytest.mark.parametrize(("format", "target"), [("coco", "a.json"), ("voc", "out")])
def test_what_is_written_has_none(tmp_path: Path, format: str, target: str) -> None:
    (tmp_path / SOUND).write_bytes(encoded(photo(1)))
    boxes = Region("oak", 0.1, 0.1, 0.5, 0.5), Region("ash", 0.2, 0.2, 0.5, 0.5)
    readers.write([Annotation(tmp_path / SOUND, ("ash", "oak"), boxes)], tmp_path / target, format)
    reading = readers.read(tmp_path / target, format)
    assert reading.notes == ()
    assert [region.tag for region in reading.annotations[0].regions] == ["oak", "ash"]
