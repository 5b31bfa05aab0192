from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dahlia.dataset import readers
from dahlia.dataset.readers import voc
from dahlia.dataset.records import Annotation, Region
from dahlia.errors import DatasetError

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
SIZE = "<size><width>40</width><height>30</height><depth>3</depth></size>"
LAUGHS = '<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;&l;">]>'


def document(objects: str = "", size: str = SIZE, filename: str = "a.png", before: str = "") -> str:
    return f"{before}<annotation><filename>{filename}</filename>{size}{objects}</annotation>"


def thing(name: str, *box: object) -> str:
    return f"<object><name>{name}</name>{BOX.format(*box) if box else ''}</object>"


def load(folder: Path, text: str) -> list[Annotation]:
    (folder / "Annotations").mkdir(exist_ok=True)
    (folder / "Annotations" / "a.xml").write_text(text)
    return readers.read(folder, "voc").annotations


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((1, 1, 40, 30), (0, 0, 1, 1)),
        ((1, 1, 1, 1), (0, 0, 1 / 40, 1 / 30)),
        ((11, 16, 20, 30), (0.25, 0.5, 0.25, 0.5)),
        ((11.5, 16, 20.5, 30), (10.5 / 40, 0.5, 0.25, 0.5)),
        ((0, 1, 50, 30), (-1 / 40, 0, 51 / 40, 1)),
        ((20, 30, 10, 20), (19 / 40, 29 / 30, -9 / 40, -9 / 30)),
    ],
)
def test_pixels_count_from_one(tmp_path: Path, box: tuple[float, ...], expected: tuple[float, ...]) -> None:
    (found,) = load(tmp_path, document(thing("fork", *box)))
    assert found.regions == (Region("fork", *expected),)
    assert found.tags == ("fork",)
    assert found.source == "Annotations/a.xml"


def test_files_survive_exactly(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    objects = (
        thing("x") + thing("fork", 1, 2, 39, 30) + thing("fork", 7, 7, 7, 7) + thing("y", 3.25, 1, 9, 9.5)
    )
    first = load(tmp_path, document(objects))
    voc.save(first, tmp_path / "one")
    second = readers.read(tmp_path / "one", "voc").annotations
    voc.save(second, tmp_path / "two")
    texts = [(tmp_path / name / "Annotations" / "a.xml").read_text() for name in ("one", "two")]
    assert texts[0] == texts[1]
    assert [text in texts[0] for text in ("<xmin>7</xmin>", "<xmax>39</xmax>", "<xmin>3.25</xmin>")] == [
        True
    ] * 3
    assert second[0].tags == first[0].tags == ("x", "fork", "y")
    for before, after in zip(first[0].regions, second[0].regions, strict=True):
        assert after.left == pytest.approx(before.left, abs=1e-12)
        assert after.width == pytest.approx(before.width, abs=1e-12)


@pytest.mark.parametrize("image", ["a.png", "JPEGImages/a.png", "images/a.png"])
def test_where_images_are_looked_for(tmp_path: Path, image: str) -> None:
    (tmp_path / image).parent.mkdir(exist_ok=True)
    Image.new("RGB", (80, 60)).save(tmp_path / image)
    (found,) = load(tmp_path, document(thing("fork", 1, 1, 40, 30), size=""))
    assert found.path == tmp_path.resolve() / image
    assert found.regions == (Region("fork", 0, 0, 0.5, 0.5),)


def test_images_without_xml_and_the_test_set(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 30)).save(tmp_path / name)
    (tmp_path / "a.xml").write_text(document(thing("fork")))
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "test.txt").write_text("b\n")
    a, b = readers.read(tmp_path, "voc").annotations
    assert (a.tags, a.regions, a.subset) == (("fork",), (), "train")
    assert (b.path.name, b.tags, b.subset) == ("b.png", (), "test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>\n<object>\n</annotation>", r"a\.xml:3: not XML"),
        ("", r"a\.xml:1: not XML"),
        (document(before='<?xml version="1.0" encoding="nonsense"?>'), "not XML"),
        (document(thing("&m;"), before=LAUGHS), "expected no DOCTYPE"),
        (document(before='<!DOCTYPE a SYSTEM "file:///etc/passwd">'), "expected no DOCTYPE"),
        (document(thing("&m;")), "not XML"),
        (document("<!-- -->" * 600_000), "expected at most 4,194,304 bytes"),
        (document(filename=""), "`filename`: expected the name of a file"),
        ("<annotation/>", "`filename`: expected the name of a file"),
        (document(filename="../../etc/passwd"), "`filename`: expected a file inside"),
        (document(filename="/etc/passwd"), "`filename`: expected a file inside"),
        (document(thing(" ", 1, 1, 2, 2)), "object 1: expected the name of a tag"),
        (document(thing("a", 1, 1, 2, 2) + thing("b", 1, "x", 2, 2)), "object 2, `ymin`: expected a number"),
        (document("<object><name>a</name><bndbox/></object>"), "object 1, `xmin`: expected a number"),
        (document("<object><name>a\nb</name></object>"), "object 1: expected a name in one line"),
        (document("<object><name>a\tb</name></object>"), "object 1: expected a name in one line"),
        ("<annotations/>", "found none"),
    ],
)
def test_what_is_malformed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(tmp_path, text)


def test_deep_nesting_is_survived(tmp_path: Path) -> None:
    depth = 200_000
    (found,) = load(tmp_path, document("<a>" * depth + "</a>" * depth))
    assert found.tags == ()
