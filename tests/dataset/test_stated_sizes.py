"""Boxes of photos as displayed, whatever size the annotations state."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dahlia.dataset import readers
from dahlia.dataset.imaging import decode
from dahlia.dataset.inspection import Inspection, merge_copies
from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.readers.reading import Note
from dahlia.dataset.records import Annotation, Region
from dahlia.dataset.source_summary import summarise
from dahlia.dataset.stated_sizes import turned_region, with_stated_sizes
from dahlia.dataset.validation import Validation, validate
from validation_photos import make_params

WIDTH, HEIGHT = 320, 240
BOX = (32, 24, 96, 48)  # left, top, width, height in pixels of the stored photo
STORED = Region("ash", 0.1, 0.1, 0.3, 0.2)


def photo(orientation: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    """A dark photo, as stored, with a bright box."""
    pixels = np.full((size[1], size[0], 3), 40, np.uint8)
    left, top, width, height = BOX
    pixels[top : top + height, left : left + width] = 230
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def coco(root: Path, stated: dict[str, tuple[int, int]]) -> None:
    images = [
        {"id": n, "file_name": name, "width": w, "height": h}
        for n, (name, (w, h)) in enumerate(stated.items())
    ]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": BOX} for n in range(len(stated))]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "ash"}]}
    (root / "annotations.json").write_text(json.dumps(document))


def voc(root: Path, stated: dict[str, tuple[int, int]]) -> None:
    left, top, width, height = BOX
    corners = (
        f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{left + width}</xmax><ymax>{top + height}</ymax>"
    )
    for name, (w, h) in stated.items():
        (root / name).with_suffix(".xml").write_text(
            f"<annotation><filename>{name}</filename><size><width>{w}</width><height>{h}</height></size>"
            f"<object><name>ash</name><bndbox>{corners}</bndbox></object></annotation>"
        )


def cvat(root: Path, stated: dict[str, tuple[int, int]]) -> None:
    left, top, width, height = BOX
    images = "".join(
        f'<image name="{name}" width="{w}" height="{h}"><box label="ash" xtl="{left}" ytl="{top}" '
        f'xbr="{left + width}" ybr="{top + height}"/></image>'
        for name, (w, h) in stated.items()
    )
    (root / "annotations.xml").write_text(f"<annotations><version>1.1</version>{images}</annotations>")


def labelme(root: Path, stated: dict[str, tuple[int, int]]) -> None:
    left, top, width, height = BOX
    shape = {"label": "ash", "shape_type": "rectangle", "points": [[left, top], [left + width, top + height]]}
    for name, (w, h) in stated.items():
        entry = {"shapes": [shape], "imagePath": name, "imageWidth": w, "imageHeight": h, "version": "5"}
        (root / name).with_suffix(".json").write_text(json.dumps(entry))


def labelstudio(root: Path, stated: dict[str, tuple[int, int]]) -> None:
    value = {"x": 10, "y": 10, "width": 30, "height": 20, "rectanglelabels": ["ash"]}
    tasks = [
        {
            "id": n,
            "data": {"image": name},
            "annotations": [
                {
                    "result": [
                        {"type": "rectanglelabels", "original_width": w, "original_height": h, "value": value}
                    ]
                }
            ],
        }
        for n, (name, (w, h)) in enumerate(stated.items())
    ]
    (root / "tasks.json").write_text(json.dumps(tasks))


def createml(root: Path, stated: dict[str, tuple[int, int]]) -> None:
    left, top, width, height = BOX
    place = {"x": left + width / 2, "y": top + height / 2, "width": width, "height": height}
    entries = [
        {"image": name, "width": w, "height": h, "annotations": [{"label": "ash", "coordinates": place}]}
        for name, (w, h) in stated.items()
    ]
    (root / "annotations.json").write_text(json.dumps(entries))


def table(root: Path, stated: dict[str, tuple[int, int]]) -> None:
    left, top, width, height = BOX
    rows = [
        f"{name},{w},{h},ash,{left},{top},{left + width},{top + height}" for name, (w, h) in stated.items()
    ]
    (root / "a.csv").write_text("\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", *rows]))


Write = Callable[[Path, dict[str, tuple[int, int]]], None]
FORMATS: list[Write] = [coco, voc, cvat, labelme, labelstudio, createml, table]


def looked(root: Path) -> tuple[list[Inspection], tuple[Note, ...], Callable[[str], Validation]]:
    reading = readers.read(root)
    rows = list(inspect_all(reading.annotations, root, max_bytes=10**7, workers=1))
    rows, notes = with_stated_sizes(reading.annotations, rows, reading.root)

    def judged(domain: str) -> Validation:
        source = summarise(reading, root, notes)
        return validate(rows, merge_copies(rows), make_params(domain=domain), source)

    return rows, notes, judged


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_turns_with_its_photo(orientation: int) -> None:
    bright = decode(photo(orientation)).mean(axis=2) > 128
    height, width = bright.shape
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    region = turned_region(STORED, orientation)
    edges = (region.left, region.top, region.left + region.width, region.top + region.height)
    seen = (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)
    assert edges == pytest.approx(seen, abs=2 / 240)


@pytest.mark.parametrize("save", FORMATS)
def test_boxes_of_photos_as_stored_are_turned(tmp_path: Path, save: Write) -> None:
    turns = {"a.jpg": 6, "b.jpg": 1, "c.jpg": 3, "d.jpg": 5, "e.jpg": 8}
    for name, orientation in turns.items():
        (tmp_path / name).write_bytes(photo(orientation))
    save(tmp_path, dict.fromkeys(turns, (WIDTH, HEIGHT)))
    rows, notes, judged = looked(tmp_path)
    for row, orientation in zip(rows, turns.values(), strict=True):
        expected, (found,) = turned_region(STORED, orientation), row.regions
        assert found.left == pytest.approx(expected.left)
        assert found.top == pytest.approx(expected.top)
        assert (found.width, found.height) == pytest.approx((expected.width, expected.height))
    (note,) = notes
    assert (note.code, note.files) == ("turned-boxes", ("a.jpg", "c.jpg", "d.jpg", "e.jpg"))
    assert "4 photos" in note.found
    assert "turned-boxes" in {finding.code for finding in judged("detection_general_compact").findings}


def test_boxes_of_photos_as_displayed_stay(tmp_path: Path) -> None:
    for name, orientation in {"a.jpg": 6, "b.jpg": 3}.items():
        (tmp_path / name).write_bytes(photo(orientation))
    coco(tmp_path, {"a.jpg": (HEIGHT, WIDTH), "b.jpg": (WIDTH, HEIGHT)})
    rows, notes, _ = looked(tmp_path)
    assert [row.regions[0].left for row in rows] == [32 / HEIGHT, 32 / WIDTH]
    assert notes == ()


def test_a_scaled_photo_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo(size=(161, 120)))
    (tmp_path / "b.jpg").write_bytes(photo(8, size=(160, 120)))
    coco(tmp_path, {"a.jpg": (WIDTH, HEIGHT), "b.jpg": (WIDTH, HEIGHT)})
    rows, notes, _ = looked(tmp_path)
    assert [note.code for note in notes] == ["turned-boxes", "scaled-photo"]
    assert notes[1].files == ("a.jpg",)
    assert rows[0].regions[0].left == 0.1


@pytest.mark.parametrize("save", FORMATS)
def test_a_photo_of_another_shape_is_an_error(tmp_path: Path, save: Write) -> None:
    (tmp_path / "a.jpg").write_bytes(photo(size=(160, 160)))
    save(tmp_path, {"a.jpg": (30, 24)})
    _, (note,), judged = looked(tmp_path)
    assert note.found == "the annotations say 30 x 24, the photo has 160 x 160"
    by_code: dict[str, Any] = {one.code: one for one in judged("detection_general_compact").findings}
    assert by_code["other-size"].set_aside == ("a.jpg",)
    assert "region-out-of-bounds" not in by_code
    assert "other-size" not in {one.code for one in judged("general_compact").findings}


def test_without_boxes_a_stated_size_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo())
    row = next(
        iter(inspect_all([one := Annotation(tmp_path / "a.jpg", stated=(5, 900))], tmp_path, max_bytes=10**7))
    )
    assert with_stated_sizes([one], [row], tmp_path) == ([row], ())
