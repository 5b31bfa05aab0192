"""Boxes as each format writes them, by small writers that are not ours; and the quirks of real files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from annotated_sources import codes, lay
from dahlia.dataset import readers
from dahlia.dataset.readers.reading import Reading
from dahlia.dataset.records import Annotation

SIZES = {"a.png": (160, 120), "b.png": (97, 61), "c.png": (40, 40)}
# Left, top, width and height in whole pixels. Nothing is on c.png.
BOXES: dict[str, list[tuple[str, tuple[int, int, int, int]]]] = {
    "a.png": [("fork", (10, 20, 30, 40)), ("fork", (0, 0, 160, 7)), ("Löffel", (100, 50, 60, 70))],
    "b.png": [("Löffel", (1, 2, 95, 58))],
    "c.png": [],
}
TAGS = ["Löffel", "fork"]
Files = dict[str, object]


def picture(name: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", SIZES.get(name.rpartition("/")[2], (30, 30)), (200, 90, 160)).save(buffer, "PNG")
    return buffer.getvalue()


def photos(*names: str, folder: str = "") -> Files:
    return {f"{folder}{name}": picture(name) for name in (names or SIZES)}


def corners(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    left, top, width, height = box
    return left, top, left + width, top + height


def csv_table() -> Files:
    lines = ["file,tag,left,top,width,height"]
    for name, (width, height) in SIZES.items():
        for tag, (left, top, across, down) in BOXES[name]:
            numbers = (left / width, top / height, across / width, down / height)
            lines.append(f"{name},{tag},{','.join(f'{number:.6f}' for number in numbers)}")
    return photos() | {"regions.csv": "\n".join([*lines, "c.png,,,,,"])}


def csv_corners() -> Files:
    lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for name, (width, height) in SIZES.items():
        for tag, box in BOXES[name]:
            lines.append(f"{name},{width},{height},{tag},{','.join(map(str, corners(box)))}")
    return photos() | {"labels.csv": "\n".join([*lines, "c.png,40,40,,,,,"])}


def coco() -> Files:
    ids = {"Löffel": 90, "fork": 3}  # ids of categories have gaps, and one of them is on no photo
    images = [
        {"id": 100 + 7 * at, "file_name": name, "width": SIZES[name][0], "height": SIZES[name][1]}
        for at, name in enumerate(SIZES)
    ]
    entries = [
        {
            "id": 50 + len(tag),
            "image_id": image["id"],
            "category_id": ids[tag],
            "bbox": list(box),
            "iscrowd": 0,
        }
        for image in images
        for tag, box in BOXES[str(image["file_name"])]
    ]
    categories = [{"id": number, "name": tag} for tag, number in ids.items()]
    content = {
        "images": images,
        "annotations": entries,
        "categories": [*categories, {"id": 1, "name": "dish"}],
    }
    return photos() | {"_annotations.coco.json": content}


def voc() -> Files:
    def document(name: str) -> str:
        objects = "".join(
            f"<object><name>{tag}</name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin>"
            f"<ymin>{top + 1}</ymin><xmax>{left + width}</xmax><ymax>{top + height}</ymax></bndbox></object>"
            for tag, (left, top, width, height) in BOXES[name]
        )
        return f"<annotation><filename>{name}</filename>{objects}</annotation>"  # without `size`

    return photos(folder="JPEGImages/") | {f"Annotations/{name[0]}.xml": document(name) for name in SIZES}


def cvat() -> Files:
    def image(name: str) -> str:
        boxes = "".join(
            f'<box label="{tag}" xtl="{x:.2f}" ytl="{y:.2f}" xbr="{right:.2f}" ybr="{bottom:.2f}"/>'
            for tag, (x, y, right, bottom) in ((tag, corners(box)) for tag, box in BOXES[name])
        )
        return (
            f'<image id="0" name="{name}" width="{SIZES[name][0]}" height="{SIZES[name][1]}">{boxes}</image>'
        )

    text = f"<annotations><version>1.1</version>{''.join(map(image, SIZES))}</annotations>"
    return photos(folder="images/") | {"annotations.xml": text}


def yolo_label(name: str) -> str:
    width, height = SIZES[name]
    lines = [
        f"{TAGS.index(tag)} {(left + across / 2) / width:.6f} {(top + down / 2) / height:.6f} "
        f"{across / width:.6f} {down / height:.6f}\n"
        for tag, (left, top, across, down) in BOXES[name]
    ]
    return "".join(lines)


def yolo() -> Files:
    labels = {f"labels/{name[0]}.txt": yolo_label(name) for name in SIZES}
    return photos(folder="images/") | labels | {"data.yaml": "nc: 2\nnames: [Löffel, fork]\n"}


def yolo_lists() -> Files:
    """Lists of photos for training and validation, with paths of the machine that they were written on."""
    lists = {"train.txt": "./images/a.png\n./images/c.png\n", "val.txt": "/home/me/set/images/b.png\n"}
    description = "path: ../set\ntrain: train.txt\nval: val.txt\nnames:\n  0: Löffel\n  1: fork\n"
    return {**yolo(), **lists, "data.yaml": description}


def open_images() -> Files:
    lines = ["ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded"]
    codes_of = {"Löffel": "/m/0cmx8", "fork": "/m/0dt3t"}
    for name, (width, height) in SIZES.items():
        for tag, box in BOXES[name]:
            left, top, right, bottom = corners(box)
            places = (left / width, right / width, top / height, bottom / height)
            numbers = ",".join(f"{place:.6f}" for place in places)
            lines.append(f"{name[0]},xclick,{codes_of[tag]},1,{numbers},0")
    classes = "\n".join(f"{code},{tag}" for tag, code in codes_of.items())
    return photos() | {"train-annotations-bbox.csv": "\n".join(lines), "classes.csv": classes}


def label_studio() -> Files:
    def result(name: str, tag: str, box: tuple[int, int, int, int]) -> dict[str, Any]:
        (width, height), (left, top, across, down) = SIZES[name], box
        value = {"x": 100 * left / width, "y": 100 * top / height, "rotation": 0, "rectanglelabels": [tag]}
        value |= {"width": 100 * across / width, "height": 100 * down / height}
        return {"type": "rectanglelabels", "original_width": width, "original_height": height, "value": value}

    tasks = [
        {
            "id": at,
            "data": {"image": f"/data/upload/1/{name}"},
            "annotations": [{"result": [result(name, tag, box) for tag, box in BOXES[name]]}],
        }
        for at, name in enumerate(SIZES)
    ]
    return photos() | {"export.json": tasks}


def create_ml() -> Files:
    entries = [
        {
            "image": name,
            "annotations": [
                {
                    "label": tag,
                    "coordinates": {
                        "x": left + across / 2,
                        "y": top + down / 2,
                        "width": across,
                        "height": down,
                    },
                }
                for tag, (left, top, across, down) in BOXES[name]
            ],
        }
        for name in SIZES
    ]
    return photos() | {"_annotations.createml.json": entries}


def labelme() -> Files:
    def document(name: str) -> dict[str, Any]:
        shapes = []
        for tag, box in BOXES[name]:
            left, top, right, bottom = corners(box)
            points = [[right, bottom], [left, top]]  # drawn from the lower right corner
            shapes.append({"label": tag, "shape_type": "rectangle", "points": points, "flags": {}})
        size = {"imageWidth": SIZES[name][0], "imageHeight": SIZES[name][1]}
        return {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": name, **size}

    return photos() | {f"{name[0]}.json": document(name) for name in SIZES}


WRITERS: dict[str, Callable[[], Files]] = {
    "csv": csv_table,
    "csv-corners": csv_corners,
    "coco": coco,
    "voc": voc,
    "cvat": cvat,
    "yolo": yolo,
    "yolo-lists": yolo_lists,
    "openimages": open_images,
    "labelstudio": label_studio,
    "createml": create_ml,
    "labelme": labelme,
}
NAMES_ONLY_PHOTOS_WITH_BOXES = {"openimages"}


def by_name(reading: Reading) -> dict[str, Annotation]:
    return {one.path.name: one for one in reading.annotations}


def in_pixels(annotation: Annotation) -> list[tuple[str, tuple[float, ...]]]:
    width, height = SIZES[annotation.path.name]
    return [
        (one.tag, (one.left * width, one.top * height, one.width * width, one.height * height))
        for one in annotation.regions
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_boxes_are_read_as_they_were_drawn(tmp_path: Path, name: str) -> None:
    reading = readers.read(lay(tmp_path, WRITERS[name]()))
    assert reading.format == name.partition("-")[0]
    found = by_name(reading)
    for photo in ("a.png", "b.png"):
        read = in_pixels(found[photo])
        assert [tag for tag, _ in read] == [tag for tag, _ in BOXES[photo]]
        for (_, one), (_, other) in zip(read, BOXES[photo], strict=True):
            assert one == pytest.approx(other, abs=2e-4)


@pytest.mark.parametrize("name", sorted(WRITERS.keys() - NAMES_ONLY_PHOTOS_WITH_BOXES))
def test_a_photo_that_is_listed_without_objects_shows_none(tmp_path: Path, name: str) -> None:
    reading = readers.read(lay(tmp_path, WRITERS[name]()))
    assert by_name(reading)["c.png"].tags == ()
    assert reading.unlabelled == ()
    assert reading.unlisted == ()


@pytest.mark.parametrize("name", WRITERS)
def test_a_photo_that_nobody_has_annotated_is_none_without_objects(tmp_path: Path, name: str) -> None:
    files = WRITERS[name]()
    folder = next(iter(files)).rpartition("/")[0]
    more = f"{folder}/more.png".lstrip("/")
    reading = readers.read(lay(tmp_path, {**files, more: picture(more)}))
    unsaid = set(reading.unlisted) | set(reading.unlabelled)
    assert unsaid == {more} | ({"c.png"} if name in NAMES_ONLY_PHOTOS_WITH_BOXES else set())


def test_a_task_that_nobody_has_finished_is_not_annotated(tmp_path: Path) -> None:
    files = label_studio()
    tasks: Any = files["export.json"]
    tasks[1]["annotations"] = []
    tasks[2]["annotations"][0]["was_cancelled"] = True
    reading = readers.read(lay(tmp_path, files))
    assert reading.unlabelled == ("b.png", "c.png")
    assert len(reading.annotations) == 3


def test_a_task_that_another_export_has_finished_is_annotated(tmp_path: Path) -> None:
    files = label_studio()
    earlier = json.loads(json.dumps(files["export.json"]))
    earlier[1]["annotations"] = []
    reading = readers.read(lay(tmp_path, {**files, "earlier.json": earlier}))
    assert reading.unlabelled == ()


def coco_of(**entry: object) -> Files:
    return {
        "x.json": {
            "images": [{"id": 1, "file_name": "c.png", "width": 40, "height": 40}],
            "annotations": [{"image_id": 1, "category_id": 1, **entry}],
            "categories": [{"id": 1, "name": "fork"}],
        },
        **photos("c.png"),
    }


POLYGON = [[4, 8, 20, 8, 20, 24], [10, 30, 12, 30, 12, 32]]
RUNS = {"counts": [4 * 40 + 8, 16, 24, 16, 1600 - 4 * 40 - 64], "size": [40, 40]}


@pytest.mark.parametrize(
    ("entry", "box", "code"),
    [
        ({"segmentation": POLYGON}, (4, 8, 16, 24), "region-outline"),
        ({"segmentation": POLYGON, "bbox": [4, 8, 16, 24]}, (4, 8, 16, 24), None),
        ({"segmentation": POLYGON, "bbox": []}, (4, 8, 16, 24), "region-outline"),
        ({"segmentation": POLYGON, "bbox": [4, 8, 0, 0]}, (4, 8, 16, 24), "region-outline"),
        ({"segmentation": RUNS, "iscrowd": 0}, (4, 8, 2, 16), "region-outline"),
        ({"segmentation": RUNS, "bbox": [4, 8, 2, 16], "iscrowd": 1}, None, "crowd-box"),
        ({"segmentation": RUNS, "iscrowd": 1}, None, "crowd-box"),
        ({"iscrowd": 0}, None, None),
        ({"bbox": [30, 30, 10.4, 10.4]}, (30, 30, 10.4, 10.4), None),
    ],
)
def test_what_coco_entries_are_boxes(
    tmp_path: Path, entry: dict[str, object], box: tuple[float, ...] | None, code: str | None
) -> None:
    reading = readers.read(lay(tmp_path, coco_of(**entry)))
    (annotation,) = reading.annotations
    assert annotation.tags == ("fork",)
    assert [numbers for _, numbers in in_pixels(annotation)] == ([pytest.approx(box)] if box else [])
    assert codes(reading) == ([code] if code else [])
