from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.dataset.records import Region
from dahlia.errors import DatasetError

BOXES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded\n"
    "0a1b,xclick,/m/01,1,0.1,0.6,0.2,0.7,0\n"
    "0a1b,xclick,/m/02,1,0,1,0,1,0\n"
    "ffff,xclick,/m/01,1,0,1,0,1,0\n"
)
LABELS = (
    "ImageID,Source,LabelName,Confidence\n"
    "0c2d,verification,/m/01,1\n0c2d,verification,/m/02,0\n0e3f,machine,/m/02,0.9\n"
)
CLASSES = "/m/01,Tortoise\n/m/02,Green turtle\n"


def plant(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


FILES = {
    "train/0a1b.jpg": "x",
    "validation/0c2d.jpg": "x",
    "test/0e3f.jpg": "x",
    "train-annotations-bbox.csv": BOXES,
    "validation-annotations-human-imagelabels-boxable.csv": LABELS,
    "class-descriptions-boxable.csv": CLASSES,
}


@pytest.mark.parametrize("around", ["", "OID/Dataset/"])
@pytest.mark.parametrize("format", ["auto", "openimages"])
def test_load(tmp_path: Path, around: str, format: str) -> None:
    plant(tmp_path, **{f"{around}{name}": text for name, text in FILES.items()})
    found = readers.read(tmp_path, format)
    assert [(one.path.stem, one.tags, one.split, one.subset) for one in found.annotations] == [
        ("0e3f", ("Green turtle",), "test", "test"),
        ("0a1b", ("Tortoise", "Green turtle"), "train", "train"),
        ("0c2d", ("Tortoise",), "valid", "train"),
    ]
    assert found.annotations[1].regions == (
        Region("Tortoise", 0.1, 0.2, 0.5, 0.7 - 0.2),
        Region("Green turtle", 0, 0, 1, 1),
    )
    assert found.format == "openimages"
    assert [note.code for note in found.notes] == ["named-elsewhere"]
    assert found.unlisted == ()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train-annotations-bbox.csv": BOXES.replace("0.6", "wide")},
            r"bbox\.csv:2, `XMax`: expected a number",
        ),
        (
            {"train-annotations-bbox.csv": BOXES.replace("/m/02", "")},
            r"bbox\.csv:3, `LabelName`: expected the name",
        ),
        ({"train-annotations-bbox.csv": BOXES + '"a'}, r"bbox\.csv:\d: not a row"),
    ],
)
def test_what_is_malformed(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    plant(tmp_path, **{**FILES, **changed})
    with pytest.raises(DatasetError, match=message):
        readers.read(tmp_path, "openimages")


def test_images_that_were_not_downloaded(tmp_path: Path) -> None:
    plant(tmp_path, **{"a-bbox.csv": BOXES, "photos/other.jpg": "x"})
    with pytest.raises(DatasetError, match="found none of its 2"):
        readers.read(tmp_path, "openimages")
