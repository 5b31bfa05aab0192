from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dahlia.dataset import readers
from dahlia.dataset.records import Annotation, Region
from dahlia.errors import DatasetError


def image(
    shapes: str = '<tag label="fork"/>', name: str = "a.png", more: str = 'width="40" height="30"'
) -> str:
    return f'<image id="0" name="{name}" {more}>{shapes}</image>'


def document(*images: str) -> str:
    return f"<annotations><version>1.1</version><meta/>{''.join(images)}</annotations>"


def build(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            Image.new("RGB", (40, 30)).save(path)
        else:
            path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("shape", "expected", "noted"),
    [
        ('<box label="fork" xtl="4" ytl="3.0" xbr="24" ybr="18"/>', (0.1, 0.1, 0.5, 0.5), False),
        ('<box label="fork" xtl="4" ytl="3" xbr="24" ybr="18"><attribute name="x">1</attribute></box>',
         (0.1, 0.1, 0.5, 0.5), False),
        ('<box label="fork" xtl="12.5" ytl="5" xbr="27.5" ybr="25" rotation="90"/>',
         (0.25, 0.25, 0.5, 0.5), False),
        ('<polygon label="fork" points="4,3;24,3;4,18"/>', (0.1, 0.1, 0.5, 0.5), True),
        ('<polyline label="fork" points="4.0,3.0; 24.0,18.0"/>', (0.1, 0.1, 0.5, 0.5), True),
        ('<ellipse label="fork" cx="20" cy="15" rx="10" ry="7.5"/>', (0.25, 0.25, 0.5, 0.5), True),
        ('<mask label="fork" rle="1" left="4" top="3" width="20" height="15"/>',
         (0.1, 0.1, 0.5, 0.5), True),
        ('<skeleton label="fork"><points label="1" points="4,3"/><points points="24,18"/></skeleton>',
         (0.1, 0.1, 0.5, 0.5), True),
        ('<cuboid label="fork" xtl1="4" ytl1="3" xbr1="20" ybr1="15" xtl2="9" ytl2="9" xbr2="24" ybr2="18"/>',
         (0.1, 0.1, 0.5, 0.5), True),
        ('<points label="fork" points="4,3"/>', None, True),
        ('<tag label="fork" source="manual"/>', None, False),
    ],
)  # fmt: skip
def test_shapes(tmp_path: Path, shape: str, expected: tuple[float, ...] | None, noted: bool) -> None:
    reading = readers.read(build(tmp_path, {"a.png": "", "annotations.xml": document(image(shape))}))
    (found,) = reading.annotations
    assert (reading.format, found.tags, found.source) == ("cvat", ("fork",), "annotations.xml")
    numbers = [(region.left, region.top, region.width, region.height) for region in found.regions]
    assert [tuple(round(value, 9) for value in each) for each in numbers] == ([expected] if expected else [])
    assert [note.code for note in reading.notes] == (["region-outline"] if noted else [])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a.png": "", "annotations.xml": document(image())}, {"a.png": None}),
        ({"images/a.png": "", "annotations.xml": document(image())}, {"images/a.png": None}),
        ({"images/a.png": "", "annotations.xml": document(image(more='subset="default"'))},
         {"images/a.png": None}),
        ({"images/Train/a.png": "", "images/Test/a.png": "", "annotations.xml":
          document(image(more='subset="Train"'), image(more='subset="Test"'))},
         {"images/Train/a.png": "train", "images/Test/a.png": "test"}),
        ({"images/a.png": "", "images/b.png": "", "annotations.xml":
          document(image(more='subset="Validation"'), image(name="b.png", more='subset="Test"'))},
         {"images/a.png": "valid", "images/b.png": "test"}),
        ({"train/a.png": "", "train/annotations.xml": document(image()), "test/a.png": "",
          "test/annotations.xml": document(image())}, {"train/a.png": "train", "test/a.png": "test"}),
        ({"job/images/a.png": "", "job/annotations.xml": document(image(name="a.PNG"))},
         {"job/images/a.png": None}),
        ({"a.png": "", "annotations.xml": document(image("", more=""))}, {"a.png": None}),
    ],
)  # fmt: skip
def test_layouts(tmp_path: Path, files: dict[str, str], expected: dict[str, str | None]) -> None:
    reading = readers.read(build(tmp_path, files))
    root = tmp_path.resolve()
    found = {one.path.relative_to(root).as_posix(): one.split for one in reading.annotations}
    assert (reading.format, found) == ("cvat", expected)


@pytest.mark.parametrize("more", ["", 'width="0" height="0"', 'width="" height="30"'])
def test_a_photo_has_its_size(tmp_path: Path, more: str) -> None:
    box = '<box label="fork" xtl="0" ytl="0" xbr="20" ybr="15"/>'
    reading = readers.read(build(tmp_path, {"a.png": "", "x.xml": document(image(box, more=more))}))
    assert reading.annotations[0].regions == (Region("fork", 0, 0, 0.5, 0.5),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(image('<box label="fork" xtl="x" ytl="1" xbr="2" ybr="2"/>')),
         r"image 0 \(a\.png\), `xtl`: expected a number"),
        (document(image('<box xtl="1" ytl="1" xbr="2" ybr="2"/>')), "expected the name of a tag"),
        (document(image('<tag label="a&#10;b"/>')), "expected a name in one line"),
        (document(image('<polygon label="a" points="1,2;x,4"/>')), "expected a number, received 'x'"),
        (document(image(name="")), "expected the name of a file"),
        (document(image(name="../../etc/passwd")), "expected a file inside"),
        (document('<track label="a"/>'), "found tracks of a video"),
        (document(), "expected an `image` for each photo, found none"),
        (document("<image>"), r"annotations\.xml:1: not XML"),
    ],
)  # fmt: skip
def test_what_is_malformed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        readers.read(build(tmp_path, {"a.png": "", "annotations.xml": text}))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    root = build(tmp_path, {"a.png": "", "b.png": ""}).resolve()
    box = Region("Löffel", 0.1, 0.1, 0.5, 0.5)
    annotations = [
        Annotation(root / "a.png", ("x", "Löffel"), (box,), "train", "out.xml", "train"),
        Annotation(root / "b.png", (), (), "test", "out.xml", "test"),
    ]
    readers.write(annotations, root / "out.xml", "cvat")
    assert readers.read(root).annotations == annotations
