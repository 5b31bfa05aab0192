"""What a table's numbers and columns say of boxes: fractions, pixels, or nothing that is certain."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dahlia.dataset import readers
from dahlia.dataset.inspection import merge_copies
from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.readers.reading import Reading
from dahlia.dataset.source_summary import summarise
from dahlia.dataset.validation import validate
from validation_photos import make_params

HEAD = "file,tag,xmin,ymin,xmax,ymax\n"


def read(root: Path, content: str) -> Reading:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 30)).save(root / name)
    (root / "regions.csv").write_text(content)
    return readers.read(root)


@pytest.mark.parametrize("last", ["0,0,1,1", "-0.01,0,0.5,1.02"])
def test_corners_in_fractions(tmp_path: Path, last: str) -> None:
    reading = read(tmp_path, f"{HEAD}a.png,ash,0.25,0.5,0.5,1\nb.png,ash,{last}\n")
    (region,) = reading.annotations[0].regions
    assert (region.left, region.top, region.width, region.height) == (0.25, 0.5, 0.25, 0.5)
    assert "corners in fractions" in reading.layout


@pytest.mark.parametrize("last", ["0,0,1,1", "10,15,20,30"])
def test_corners_in_pixels_stay_pixels(tmp_path: Path, last: str) -> None:
    reading = read(tmp_path, f"{HEAD}a.png,ash,0,0,1,1\nb.png,ash,{last}\n")
    (region,) = reading.annotations[0].regions
    assert (region.width, region.height) == (1 / 40, 1 / 30)


def test_pixels_in_place_of_fractions_are_one_finding(tmp_path: Path) -> None:
    rows = "a.png,ash,10,15,20,10\na.png,ash,1,2,30,20\nb.png,ash,0.1,0.1,0.2,0.2\n"
    reading = read(tmp_path, f"file,tag,left,top,width,height\n{rows}")
    (note,) = reading.notes
    assert (note.code, note.files) == ("pixel-boxes", ("a.png",))
    rows = list(inspect_all(reading.annotations, reading.root, max_bytes=10**6, workers=1))
    source = summarise(reading, reading.root)
    found = {}
    for domain in ("detection_general_compact", "general_compact"):
        findings = validate(rows, merge_copies(rows), make_params(domain=domain), source).findings
        found[domain] = {finding.code: finding for finding in findings}
    detection = found["detection_general_compact"]
    assert detection["pixel-boxes"].set_aside == ("a.png",)
    assert "region-out-of-bounds" not in detection
    assert "pixel-boxes" not in found["general_compact"]


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ("x,y,w,h", "`x`, `y`, `w`, `h`"),
        ("X_Center,Y_Center,Width,Height", "`X_Center`, `Y_Center`, `Width`, `Height`"),
        ("bbox", "`bbox`"),
    ],
)
def test_columns_that_look_like_boxes_are_told(tmp_path: Path, columns: str, named: str) -> None:
    numbers = ",".join("1" for _ in columns.split(","))
    reading = read(tmp_path, f"file,tag,{columns}\na.png,ash,{numbers}\nb.png,ash,{numbers}\n")
    (note,) = reading.notes
    assert note.code == "unread-boxes"
    assert named in note.found
