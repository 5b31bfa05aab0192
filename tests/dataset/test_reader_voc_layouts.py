"""Pascal VOC as tools and people keep it: which photo is meant, which split it is in, how large it is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from dahlia.dataset import readers
from dahlia.dataset.records import Region, clipped
from dahlia.errors import DatasetError

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
SIZE = "<size><width>40</width><height>30</height><depth>3</depth></size>"


def xml(filename: str | None = "a.jpg", tag: str = "fork", size: str = SIZE, box: str | None = None) -> str:
    named = "" if filename is None else f"<filename>{filename}</filename>"
    box = BOX.format(1, 1, 20, 15) if box is None else box
    return f"<annotation>{named}{size}<object><name>{tag}</name>{box}</object></annotation>"


def photo() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


def build(root: Path, files: dict[str, str | bytes]) -> Path:
    """Files; those with the suffix of a photo are photos."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".jpg", ".jpeg", ".jfif", ".png"):
            content = photo()
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        *(  # in all capitals, and in a folder around them
            ({f"{split}/a.{suffix}": xml() for split in splits.split() for suffix in ("jpg", "xml")},
             dict(zip(splits.split(), ("train", "valid", "test"), strict=True)))
            for splits in ("train valid test", "Train Validation Test", "TRAIN VAL TEST", "x/trn x/val x/tst")
        ),
        ({"train/images/a.jpg": "", "train/annotations/a.xml": xml(), "test/images/a.jpg": "",
          "test/annotations/a.xml": xml()}, {"train/images": "train", "test/images": "test"}),
        ({"images/train/a.jpg": "", "annotations/train/a.xml": xml(), "images/test/a.jpg": "",
          "annotations/test/a.xml": xml()}, {"images/train": "train", "images/test": "test"}),
        ({"images/train/a.jpg": "", "annotations/a.xml": xml("a.jpg"), "images/test/b.jpg": "",
          "annotations/b.xml": xml("b.jpg")}, {"images/train": "train", "images/test": "test"}),
        ({"images/a.jpg": "", "Annotations/a.xml": xml()}, {"images": None}),
        ({"a.jpg": "", "a.xml": xml()}, {".": None}),
    ],
)  # fmt: skip
def test_splits_of_folders(tmp_path: Path, files: dict[str, str], expected: dict[str, str | None]) -> None:
    reading = readers.read(build(tmp_path, dict(files)))
    assert reading.format == "voc"
    root = tmp_path.resolve()
    found = {one.path.parent.relative_to(root).as_posix(): one.split for one in reading.annotations}
    assert found == expected
    assert reading.tags == {"fork": len(expected)}
    assert all(one.path.exists() for one in reading.annotations)


LISTS = {"train.txt": "a\n", "val.txt": "b\n", "trainval.txt": "a\nb\n", "test.txt": "c\n"}
SETS = {"a": "train", "b": "valid", "c": "test"}


@pytest.mark.parametrize("around", ["", "VOC2012/", "VOCdevkit/VOC2012/"])
@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        (LISTS, SETS),
        ({**LISTS, "trainval.txt": ""}, SETS),
        ({"Train.txt": "a.jpg\r\n", "Val.txt": "b.xml\r\n", "Test.txt": "JPEGImages/c.jpg\r\n"}, SETS),
        ({"train.txt": "/home/eva/VOC2012/JPEGImages/a.jpg\nb\n", "test.txt": "c"},
         {"a": "train", "b": "train", "c": "test"}),
        ({"train.txt": "a\n", "val.txt": "\n\n b \n"}, {"a": "train", "b": "valid"}),
        ({"trainval.txt": "a\n", "test.txt": "c\n"}, {"a": "train", "c": "test"}),
        ({"test.txt": "c\n"}, {"a": None, "b": None, "c": "test"}),
        ({"default.txt": "a\nb\nc\n"}, {"a": None, "b": None, "c": None}),
        ({"train.txt": ""}, {"a": None, "b": None, "c": None}),
        ({**LISTS, "trainval.txt": "", "fork_train.txt": "a  1\nb -1\n", "fork_test.txt": "c  0\n"}, SETS),
        ({"fork_train.txt": "a  1\n", "fork_val.txt": "b -1\n", "fork_test.txt": "c  0\n"}, SETS),
        ({"train.txt": "a 1\n", "val.txt": "b -1\n", "test.txt": "c 0\n"}, SETS),
    ],
)  # fmt: skip
def test_image_sets(tmp_path: Path, around: str, lists: dict[str, str], expected: dict[str, str]) -> None:
    files: dict[str, str | bytes] = {f"JPEGImages/{name}.jpg": "" for name in "abc"}
    files |= {f"Annotations/{name}.xml": xml(f"{name}.jpg") for name in "abc"}
    files |= {f"ImageSets/Main/{name}": text for name, text in lists.items()}
    files |= {"ImageSets/Segmentation/train.txt": "c\n"}
    reading = readers.read(build(tmp_path, {f"{around}{name}": text for name, text in files.items()}))
    assert {one.path.stem: one.split for one in reading.annotations} == expected
    assert {one.path.stem for one in reading.annotations if one.subset == "test"} <= {"c"}
    assert {Path(name).stem for name in reading.unlisted} == set("abc") - set(expected)


def test_lists_of_two_years_are_of_their_own_photos(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {}
    for year, name in (("VOC2007", "train"), ("VOC2012", "test")):
        files |= {f"{year}/JPEGImages/a.jpg": "", f"{year}/Annotations/a.xml": xml()}
        files |= {f"{year}/ImageSets/Main/{name}.txt": "a\n"}
    reading = readers.read(build(tmp_path, files))
    assert {one.path.parts[-3]: one.split for one in reading.annotations} == {
        "VOC2007": "train",
        "VOC2012": "test",
    }
    assert reading.recognised() == (
        "Pascal VOC, an XML file for each photo, splits from ImageSets: train 1, test 1 photo; tags fork"
    )


@pytest.mark.parametrize(
    ("photo", "line"),
    [
        ("my photo 1", "my photo 1"),
        ("my photo 1", "my photo 1 -1"),
        ("my photo", "my photo\t1"),
        ("a.b", "a.b"),
        ("a.b", "a.b.jpg  1"),
        ("Löffel", "Lo\u0308ffel"),
        ("A", "a.JPG"),
        ("my photo", "my%20photo"),
    ],
)
def test_names_in_lists(tmp_path: Path, photo: str, line: str) -> None:
    files: dict[str, str | bytes] = {"ImageSets/Main/test.txt": f"{line}\n"}
    files |= {f"JPEGImages/{photo}.jpg": "", f"Annotations/{photo}.xml": xml(f"{photo}.jpg")}
    (found,) = readers.read(build(tmp_path, files)).annotations
    assert (found.split, found.subset) == ("test", "test")


def test_a_photo_in_two_lists_is_an_error(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"JPEGImages/a.jpg": "", "Annotations/a.xml": xml()}
    files |= {"ImageSets/Main/train.txt": "a\n", "ImageSets/Main/test.txt": "a\n"}
    with pytest.raises(DatasetError, match=r"a is in `train` here and in `test` in ImageSets/Main/test\.txt"):
        readers.read(build(tmp_path, files))


def test_masks_are_no_photos(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "JPEGImages/a.jpg": "",
        "JPEGImages/b.jpg": "",
        "Annotations/a.xml": xml(),
    }
    reading = readers.read(build(tmp_path, {**files, "SegmentationClass/a.png": ""}))
    assert [(one.path.name, one.tags) for one in reading.annotations] == [("a.jpg", ("fork",)), ("b.jpg", ())]
    assert reading.unlisted == ("SegmentationClass/a.png",)


@pytest.mark.parametrize(
    ("filename", "photos", "expected", "code"),
    [
        ("a.jpg", ["a.jpg"], "a.jpg", None),
        ("a", ["a.jpg"], "a.jpg", "loose-names"),
        ("a.png", ["a.jpg"], "a.jpg", "loose-names"),
        ("A.JPG", ["a.jpg"], "a.jpg", "loose-names"),
        ("a.jpeg", ["a.jfif"], "a.jfif", "loose-names"),
        ("\n  a.jpg\n", ["a.jpg"], "a.jpg", None),
        ("photos/a.jpg", ["a.jpg"], "a.jpg", "loose-names"),
        (r"C:\Users\Eva\photos\a.jpg", ["a.jpg"], "a.jpg", "loose-names"),
        ("/home/eva/photos/a.jpg", ["a.jpg"], "a.jpg", "loose-names"),
        ("my%20a.jpg", ["my a.jpg"], "my a.jpg", "loose-names"),
        ("", ["a.jpg"], "a.jpg", None),
        ("  ", ["a.jpg"], "a.jpg", None),
        (None, ["a.jpg"], "a.jpg", None),
        ("IMG_1.jpg", ["a.jpg"], "a.jpg", "renamed-photo"),
        ("/home/eva/IMG_1.jpg", ["a.jpg"], "a.jpg", "renamed-photo"),
        ("../../a1.jpg", ["a.jpg"], "a.jpg", "renamed-photo"),
        ("other.jpg", ["a.jpg", "other.jpg"], "other.jpg", None),
        ("a.png", ["a.jpg", "a.png"], "a.png", None),
        ("b.jpg", ["a.jpg", "b.jpg", "b.xml"], "a.jpg", "renamed-photo"),
        ("gone.jpg", ["b.jpg"], None, None),
    ],
)
@pytest.mark.parametrize("layout", ["", "Annotations/"])
def test_which_photo_is_meant(
    tmp_path: Path,
    filename: str | None,
    photos: list[str],
    expected: str | None,
    code: str | None,
    layout: str,
) -> None:
    files: dict[str, str | bytes] = {f"{layout}a.xml": xml(filename)}
    for name in photos:
        if name.endswith(".xml"):
            files[layout + name] = xml("b.jpg", "other")
        else:
            files[f"JPEGImages/{name}" if layout else name] = ""
    reading = readers.read(build(tmp_path, files))
    (found,) = (one for one in reading.annotations if "fork" in one.tags)
    assert found.path.exists() == (expected is not None)
    assert found.path.name == (expected or filename)
    assert [note.code for note in reading.notes if note.code != "unlisted-photo"] == ([code] if code else [])


@pytest.mark.parametrize(
    "size",
    [
        "",
        "<size/>",
        SIZE.replace("40", "0").replace("30", "0"),
        SIZE.replace("40", "0"),
        SIZE.replace("40", "-1"),
        SIZE.replace("40", "wide"),
        SIZE.replace("40", ""),
        "<size><width>40.0</width><height>30.0</height></size>",
    ],
)
def test_a_photo_has_its_size(tmp_path: Path, size: str) -> None:
    reading = readers.read(build(tmp_path, {"a.jpg": "", "a.xml": xml(size=size)}))
    assert reading.annotations[0].regions == (Region("fork", 0, 0, 0.5, 0.5),)


@pytest.mark.parametrize("files", [{}, {"a.heic": b"no image"}])
def test_a_size_that_nobody_knows_leaves_the_tag(tmp_path: Path, files: dict[str, str | bytes]) -> None:
    name = next(iter(files), "a.jpg")
    reading = readers.read(build(tmp_path, {"a.xml": xml(name, size=""), **files}))
    assert [(one.tags, one.regions) for one in reading.annotations] == [(("fork",), ())]


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((0, 0, 39, 29), True),
        ((0, 0, 40, 30), True),
        ((1, 1, 41, 31), True),
        ((0.5, 0.5, 40.5, 30.5), True),
        ((39, 29, 41, 31), True),
        ((-3, 1, 20, 15), False),
        ((1, 1, 80, 60), False),
        ((1e9, 1, 2e9, 15), False),
    ],
)
def test_boxes_at_the_edge(tmp_path: Path, box: tuple[float, ...], inside: bool) -> None:
    reading = readers.read(build(tmp_path, {"a.jpg": "", "a.xml": xml(box=BOX.format(*box))}))
    (found,) = reading.annotations
    assert found.tags == ("fork",)
    region = clipped(found.regions[0], 40, 30)
    corners = (region.left, region.top, region.left + region.width, region.top + region.height)
    assert all(-1e-9 <= corner <= 1 + 1e-9 for corner in corners) == inside


@pytest.mark.parametrize("box", [(1, 1, 1, 1), (10, 10, 9, 9), (30, 20, 10, 10)])
def test_boxes_without_an_area_leave_the_tag(tmp_path: Path, box: tuple[int, ...]) -> None:
    reading = readers.read(build(tmp_path, {"a.jpg": "", "a.xml": xml(box=BOX.format(*box))}))
    assert reading.annotations[0].tags == ("fork",)


@pytest.mark.parametrize(
    ("outline", "expected"),
    [
        ("<polygon><pt><x>4</x><y>3</y></pt><pt><x>24</x><y>3</y></pt><pt><x>4</x><y>18</y></pt></polygon>",
         (0.1, 0.1, 0.5, 0.5)),
        ("<polygon><x1>4</x1><y1>3</y1><x2>24</x2><y2>18</y2></polygon>", (0.1, 0.1, 0.5, 0.5)),
        ("<robndbox><cx>20</cx><cy>15</cy><w>20</w><h>15</h><angle>0</angle></robndbox>",
         (0.25, 0.25, 0.5, 0.5)),
        ("<robndbox><cx>20</cx><cy>15</cy><w>15</w><h>20</h><angle>1.5707963267948966</angle></robndbox>",
         (0.25, 0.25, 0.5, 0.5)),
        ("<polygon/>", None),
        ("", None),
    ],
)  # fmt: skip
def test_outlines(tmp_path: Path, outline: str, expected: tuple[float, ...] | None) -> None:
    reading = readers.read(build(tmp_path, {"a.jpg": "", "a.xml": xml(box=outline)}))
    (found,) = reading.annotations
    assert found.tags == ("fork",)
    numbers = [(region.left, region.top, region.width, region.height) for region in found.regions]
    assert [tuple(round(value, 9) for value in each) for each in numbers] == ([expected] if expected else [])
    assert [(note.code, note.found) for note in reading.notes] == (
        [("region-outline", "1 outline read as the box around it")] if expected else []
    )


@pytest.mark.parametrize(
    ("encoding", "declared", "tag"),
    [
        ("utf-8", "UTF-8", "Löffel"),
        ("utf-8", None, "Löffel"),
        ("utf-8-sig", "utf-8", "Löffel"),
        ("utf-16", "utf-16", "Löffel"),
        ("utf-16", None, "Löffel"),
        ("latin-1", "ISO-8859-1", "Löffel"),
        ("cp1252", "windows-1252", "Löffel “groß”"),
        ("cp1252", "cp1252", "Löffel"),
        ("cp1251", "windows-1251", "ложка"),
        ("gbk", "GBK", "勺子"),
        ("gb18030", "gb18030", "勺子"),
        ("shift_jis", "Shift_JIS", "スプーン"),
        ("big5", "big5", "湯匙"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, declared: str | None, tag: str) -> None:
    before = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    reading = readers.read(build(tmp_path, {"a.jpg": "", "a.xml": (before + xml(tag=tag)).encode(encoding)}))
    assert reading.tags == {tag: 1}


@pytest.mark.parametrize(
    "text",
    [
        xml().replace("<annotation>", '<annotation xmlns="http://example.org/voc">'),
        '<v:annotation xmlns:v="urn:x"><v:filename>a.jpg</v:filename><v:object><v:name>fork</v:name>'
        "</v:object></v:annotation>",
        xml().replace("<annotation>", '<annotation verified="yes">'),
        f"<!-- by hand -->\n{xml()}\n<!-- end -->",
        xml().replace(">", ">\r\n  ").replace("\r\n  fork", "fork").replace("fork\r\n  ", "fork"),
        xml().replace("<name>fork</name>", "<name> fork </name>"),
        xml().replace("<name>fork</name>", "<name><![CDATA[fork]]></name>"),
    ],
)
def test_spellings_of_xml(tmp_path: Path, text: str) -> None:
    text = text.replace("<name>\r\n  fork", "<name>fork")
    reading = readers.read(build(tmp_path, {"a.jpg": "", "a.xml": text}))
    assert (reading.format, reading.tags) == ("voc", {"fork": 1})


@pytest.mark.parametrize(
    "text",
    [
        "<project/>",
        '<?xml version="1.0"?><!DOCTYPE plist PUBLIC "-//Apple//DTD" "x"><plist/>',
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
        "<annotations><entry/></annotations>",
        "no XML at all",
        "",
    ],
)
def test_beside_tag_folders_other_xml_is_no_annotation(tmp_path: Path, text: str) -> None:
    files: dict[str, str | bytes] = {"cat/1.jpg": "", "dog/2.jpg": "", "cat/1.xml": text, "pom.xml": text}
    reading = readers.read(build(tmp_path, files))
    assert (reading.format, reading.tags) == ("folder", {"cat": 1, "dog": 1})


def test_beside_annotations_other_xml_is_passed_over(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"a.jpg": "", "a.xml": xml(), "pom.xml": "<project/>"}
    reading = readers.read(build(tmp_path, files))
    assert (reading.documents, reading.litter) == (("a.xml",), {"pom.xml": "text"})


def test_beside_annotations_broken_xml_is_an_error(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"x/a.jpg": "", "x/a.xml": xml(), "y/b.jpg": "", "y/b.xml": ""}
    with pytest.raises(DatasetError, match=r"b\.xml:1: not XML"):
        readers.read(build(tmp_path, files))
