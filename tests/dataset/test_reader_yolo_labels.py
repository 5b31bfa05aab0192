"""The lines of YOLO's label files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.dataset.readers.reading import Reading
from dahlia.dataset.records import Region, clipped
from dahlia.errors import DatasetError

BOX = (0.4, 0.4, 0.2, 0.2)


def read(root: Path, label: str | bytes, description: str = "names: [fork, spoon]") -> Reading:
    for name in ("images/a.jpg", "labels/a.txt"):
        (root / name).parent.mkdir()
    (root / "images/a.jpg").touch()
    (root / "labels/a.txt").write_bytes(label if isinstance(label, bytes) else label.encode())
    (root / "data.yaml").write_text(description)
    return readers.read(root)


@pytest.mark.parametrize(
    ("line", "told"), [("0 160 120 40 40", 1), ("0 50 50 20 20\n1 .5 .5 .2 .2", 1), ("0 .9 .9 .9 .9", 0)]
)
def test_pixels_are_told(tmp_path: Path, line: str, told: int) -> None:
    notes = [note for note in read(tmp_path, line).notes if note.code == "pixel-boxes"]
    assert [note.files for note in notes] == [("images/a.jpg",)] * told


def numbers(region: Region) -> tuple[float, ...]:
    return tuple(round(value, 9) for value in (region.left, region.top, region.width, region.height))


@pytest.mark.parametrize(
    ("line", "box", "code"),
    [
        ("0 .5 .5 .2 .2", BOX, None),
        ("0.0 .5 .5 .2 .2", BOX, None),
        ("00 5e-1 0.50 .2 +.2", BOX, None),
        ("0\t.5\t.5\t.2\t.2", BOX, None),
        ("0,.5,.5,.2,.2", BOX, None),
        ("0, .5, .5, .2, .2", BOX, None),
        ("0; .5; .5; .2; .2", BOX, None),
        ("0 0,5 0,5 0,2 0,2", BOX, None),
        ("0;0,5;0,5;0,2;0,2", BOX, None),
        ("  0   .5 .5 .2 .2  ,", BOX, None),
        ("\ufeff0 .5 .5 .2 .2", BOX, None),
        ("0 .5 .5 .2 .2 .93", BOX, "region-confidence"),
        ("0 .5 .5 .2 .2 1", BOX, "region-confidence"),
        ("0,.5,.5,.2,.2,0.1", BOX, "region-confidence"),
        ("0 .4 .4 .6 .4 .5 .6", BOX, "region-outline"),
        ("0 .4 .4 .6 .4 .6 .6 .4 .6", BOX, "region-outline"),
        ("0 .5 .4 .6 .5 .5 .6 .4 .5", BOX, "region-outline"),
        ("0 .4 .4 .6 .4 .6 .6 .4 .6 .4 .4", BOX, "region-outline"),
        ("0,.4,.4,.6,.4,.6,.6,.4,.6", BOX, "region-outline"),
        ("0 .5 .5 .2 .2 .45 .45 2", BOX, "region-keypoints"),
        ("0 .5 .5 .2 .2 .45 .45 2 0 0 0 .55 .55 1", BOX, "region-keypoints"),
        ("0 .5 .5 .2 .2 0 0 0 0 0 0", BOX, "region-keypoints"),
        ("0 0 0 1 0 1 1 0 1", (0, 0, 1, 1), "region-outline"),
        ("0 0 0 1 0 1 1 .5 1 0 1", (0, 0, 1, 1), "region-outline"),
        ("0 .5 .5 1.2 1.2", (-0.1, -0.1, 1.2, 1.2), None),
        ("0 .5 .5 0 0", (0.5, 0.5, 0, 0), None),
    ],
)  # fmt: skip
def test_lines(tmp_path: Path, line: str, box: tuple[float, ...], code: str | None) -> None:
    reading = read(tmp_path, f"{line}\r\n\r\n")
    (found,) = reading.annotations
    assert found.tags == ("fork",)
    assert [numbers(region) for region in found.regions] == [box]
    assert [note.code for note in reading.notes] == ([code] if code else [])


@pytest.mark.parametrize(
    ("shape", "line", "code"),
    [
        ("[2, 2]", "0 .5 .5 .2 .2 .45 .45 .55 .55", "region-keypoints"),
        ("[2, 3]", "0 .5 .5 .2 .2 .45 .45 2 .9 .9 1", "region-keypoints"),
        ("[2, 2]", "0 .5 .5 .2 .2", None),
        ("[17, 3]", "0 .4 .4 .6 .4 .6 .6 .4 .6", "region-outline"),
    ],
)
def test_a_description_tells_keypoints_from_outlines(
    tmp_path: Path, shape: str, line: str, code: str | None
) -> None:
    reading = read(tmp_path, line, f"names: [fork]\nkpt_shape: {shape}\n")
    assert [numbers(region) for region in reading.annotations[0].regions] == [BOX]
    assert [note.code for note in reading.notes] == ([code] if code else [])


def test_notes_count_regions_and_name_files(tmp_path: Path) -> None:
    reading = read(tmp_path, "0 .4 .4 .6 .4 .5 .6\n1 .4 .4 .6 .4 .5 .6\n0 .5 .5 .2 .2 .9\n")
    assert [(note.found, note.files) for note in reading.notes] == [
        ("2 outlines read as boxes", ("labels/a.txt",)),
        ("1 box with a confidence", ("labels/a.txt",)),
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "  \r\n", "\ufeff"])
def test_an_empty_label_is_an_image_without_tags(tmp_path: Path, text: str) -> None:
    (found,) = read(tmp_path, text).annotations
    assert (found.tags, found.regions, found.source) == ((), (), "labels/a.txt")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_systems_end_them(tmp_path: Path, end: str) -> None:
    (found,) = read(tmp_path, end.join(["0 .5 .5 .2 .2", "1 .5 .5 .2 .2"])).annotations
    assert found.tags == ("fork", "spoon")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("0 .5 .5 .2 .2\n0 .5 .5 .2 .2 7", r"a\.txt:2: expected a confidence between 0 and 1 .* received 7"),
        ("0 .4 .4 .6 .4 .5 .6 .7", r"a\.txt:1: expected x and y of each point .* received 7 values"),
        ("0", r"received 1 values"),
        ("0 .5 .5 .2", r"expected `class centre-x centre-y width height`, received 4 values"),
        ("fork .5 .5 .2 .2", "expected a number, received 'fork'"),
        ("-1 .5 .5 .2 .2", "there is no class -1; known: 0 fork, 1 spoon"),
        ("2 .5 .5 .2 .2", "there is no class 2"),
        ("1e99 .5 .5 .2 .2", "there is no class 1e99"),
        ("0 .5 .5 .2 inf", "expected a number, received 'inf'"),
        (b"0 .5 .5 .2 .2\n\xff", r"a\.txt:2: expected UTF-8 text"),
    ],
)
def test_lines_that_are_malformed(tmp_path: Path, label: str | bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, label)


@pytest.mark.parametrize(
    ("line", "inside"),
    [
        ("0 .5 .5 1.004 1.004", True),
        ("0 .995 .5 .02 .5", True),
        ("0 .4 -.01 1.01 .4 .5 .6", True),
        ("0 .5 .5 1.2 1.2", False),
        ("0 320 240 64 64", False),
    ],
)
def test_rounding_at_the_edge_is_clipped(tmp_path: Path, line: str, inside: bool) -> None:
    (found,) = read(tmp_path, line).annotations
    region = clipped(found.regions[0], 640, 480)
    corners = (region.left, region.top, region.left + region.width, region.top + region.height)
    assert all(-1e-9 <= corner <= 1 + 1e-9 for corner in corners) == inside
    assert found.tags == ("fork",)
