"""Exports of labelling tools and downloads with a file for each photo, as folders and as archives."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from dahlia.dataset import readers
from dahlia.dataset.readers.reading import Reading

BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>2</ymax></bndbox>"
LABEL = "0 .5 .5 .2 .2\n"
NAMES = "nc: 2\nnames: ['cat', 'dog']\n"


def xml(filename: str, tag: str = "cat") -> str:
    said = f"<filename>{filename}</filename><object><name>{tag}</name>{BOX}</object>"
    return f"<annotation>{said}</annotation>"


def pairs(*photos: str) -> dict[str, str]:
    """Label files, where trainers look for them."""
    return {f"{photo.replace('images/', 'labels/').rpartition('.')[0]}.txt": LABEL for photo in photos}


EXPORTS: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "Roboflow YOLO": (
        photos := ("train/images/a_jpg.rf.1.jpg", "valid/images/b_jpg.rf.2.jpg", "test/images/c.jpg"),
        {
            "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\n"
            + NAMES
            + "\nroboflow:\n  workspace: w\n  version: 3\n",
            "README.roboflow.txt": "0 images",
            "README.dataset.txt": "# photos",
            **pairs(*photos),
        },
        "YOLO with the splits of data.yaml: train 1, valid 1, test 1 photo; tags cat",
    ),
    "Roboflow Darknet": (
        ("train/a.jpg", "valid/b.jpg"),
        {
            "train/a.txt": LABEL,
            "valid/b.txt": LABEL,
            "train/_darknet.labels": "cat",
            "valid/_darknet.labels": "cat",
        },
        "YOLO: train 1, valid 1 photo; tags cat",
    ),
    "Ultralytics coco8": (
        photos := ("coco8/images/train/1.jpg", "coco8/images/val/2.jpg"),
        {
            "coco8.yaml": "# COCO8\npath: coco8 # dataset root dir\ntrain: images/train # 4 images\n"
            "val: images/val\ntest: # test images (optional)\n\nnames:\n  0: person\n  1: bicycle\n\n"
            "download: https://example.org/coco8.zip\n",
            "coco8/labels/train.cache": "x",
            **pairs(*photos),
        },
        "YOLO with the splits of coco8.yaml: train 1, valid 1 photo; tags person",
    ),
    "Label Studio YOLO": (
        ("images/ab12-a.jpg",),
        {"classes.txt": "cat\ndog\n", "notes.json": '{"categories": []}', **pairs("images/ab12-a.jpg")},
        "YOLO: 1 photo; tags cat",
    ),
    "LabelImg YOLO": (
        ("a.jpg", "b.jpg"),
        {"a.txt": LABEL, "b.txt": LABEL, "classes.txt": "cat\n"},
        "YOLO: 2 photos; tags cat",
    ),
    "LabelImg YOLO, a folder a split": (
        ("train/a.jpg", "test/b.jpg"),
        {"train/a.txt": LABEL, "train/classes.txt": "cat", "test/b.txt": LABEL, "test/classes.txt": "cat"},
        "YOLO: train 1, test 1 photo; tags cat",
    ),
    "CVAT YOLO 1.1": (
        ("obj_train_data/a.jpg", "obj_train_data/b.jpg"),
        {
            "obj.data": "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
            "obj.names": "cat\n",
            "train.txt": "data/obj_train_data/a.jpg\ndata/obj_train_data/b.jpg\n",
            "obj_train_data/a.txt": LABEL,
            "obj_train_data/b.txt": "",
        },
        "YOLO with the splits of obj.data: train 2 photos; tags cat",
    ),
    "CVAT Ultralytics": (
        ("images/train/a.jpg",),
        {
            "data.yaml": "names:\n  0: cat\npath: .\ntrain: train.txt\n",
            "train.txt": "data/images/train/a.jpg\n",
            **pairs("images/train/a.jpg"),
        },
        "YOLO with the splits of data.yaml: train 1 photo; tags cat",
    ),
    "FiftyOne YOLOv4": (
        ("data/a.jpg",),
        {"obj.names": "cat\n", "images.txt": "data/a.jpg\n", "data/a.txt": LABEL},
        "YOLO: 1 photo; tags cat",
    ),
    "lists without a YAML file": (
        photos := ("images/a.jpg", "images/b.jpg"),
        {"classes.txt": "cat", "train.txt": "images/a.jpg", "test.txt": "images/b.jpg", **pairs(*photos)},
        "YOLO with the splits of lists beside classes.txt: train 1, test 1 photo; tags cat",
    ),
    "folds": (
        photos := ("fold_0/train/images/a.jpg", "fold_0/val/images/b.jpg", "fold_1/train/images/b.jpg"),
        {f"fold_{k}/dataset.yaml": "train: train/images\nval: val/images\n" + NAMES for k in (0, 1)}
        | pairs(*photos),
        "YOLO with the splits of dataset.yaml: train 2, valid 1 photo; tags cat",
    ),
    "Ultralytics classification": (
        ("train/cat/1.jpg", "train/dog/1.jpg", "test/cat/2.jpg", "test/dog/2.jpg"),
        {"data.yaml": "path: .\ntrain: train\ntest: test\n" + NAMES},
        "folders for splits, with a folder per tag in each: train 2, test 2 photos; tags cat, dog",
    ),
    "VOC2012": (
        (*(f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg" for name in "abc"),
         "VOCdevkit/VOC2012/SegmentationClass/a.png"),
        {f"VOCdevkit/VOC2012/Annotations/{name}.xml": xml(f"{name}.jpg") for name in "abc"}
        | {
            f"VOCdevkit/VOC2012/ImageSets/Main/{name}.txt": text
            for name, text in {"train": "a", "val": "b", "trainval": "a\nb\n", "cat_train": "a -1\n"}.items()
        },
        "Pascal VOC, an XML file for each photo, splits from ImageSets: train 1, valid 1 photo; tags cat",
    ),
    "Oxford-IIIT Pet": (
        ("images/a.jpg", "images/b.jpg", "annotations/trimaps/a.png"),
        {"annotations/xmls/a.xml": xml("a.jpg"), "annotations/list.txt": "#Image CLASS-ID\n"},
        "Pascal VOC, an XML file for each photo: 2 photos; tags cat",
    ),
    "ImageNet localisation": (
        ("Data/CLS-LOC/train/n01/n01_1.JPEG", "Data/CLS-LOC/train/n02/n02_1.JPEG"),
        {f"Annotations/CLS-LOC/train/{one}/{one}_1.xml": xml(f"{one}_1", one) for one in ("n01", "n02")},
        "Pascal VOC, an XML file for each photo: train 2 photos; tags n01, n02",
    ),
    "Stanford Dogs": (
        ("Images/n02-Pug/n02_1.jpg", "Images/n03-Boxer/n03_2.jpg"),
        {"Annotation/n02-Pug/n02_1": xml("%s", "Pug"), "Annotation/n03-Boxer/n03_2": xml("n03_2", "Boxer")},
        "Pascal VOC, an XML file for each photo: 2 photos; tags Boxer, Pug",
    ),
    "Kaggle, folders of archives": (
        ("train_zip/train/a.jpg", "test_zip/test/b.jpg"),
        {"train_zip/train/a.xml": xml("a.jpg"), "test_zip/test/b.xml": xml("b.jpg")},
        "Pascal VOC, an XML file for each photo: train 1, test 1 photo; tags cat",
    ),
    "photos that were renamed": (
        ("cat_1.jpg", "dog_1.jpg"),
        {"cat_1.xml": xml("IMG_1.JPG"), "dog_1.xml": xml("IMG_1.JPG", "dog")},
        "Pascal VOC, an XML file for each photo: 2 photos; tags cat, dog",
    ),
    "CVAT for images": (
        ("images/Train/a.jpg", "images/Test/b.jpg"),
        {
            "annotations.xml": "<annotations><version>1.1</version>"
            '<image name="a.jpg" subset="Train"><tag label="cat"/></image>'
            '<image name="b.jpg" subset="Test"><tag label="cat"/></image></annotations>'
        },
        "CVAT for images: train 1, test 1 photo; tags cat",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def photo() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


def packed(folder: Path) -> Path:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder))
    return archive


def brief(reading: Reading) -> list[object]:
    root = reading.root
    return [
        (one.path.relative_to(root).as_posix(), one.tags, one.split, len(one.regions))
        for one in reading.annotations
    ]


@pytest.mark.parametrize("name", EXPORTS)
def test_exports(tmp_path: Path, name: str, photo: bytes) -> None:
    photos, texts, expected = EXPORTS[name]
    for file, content in {
        **dict.fromkeys(photos, photo),
        **{k: v.encode() for k, v in texts.items()},
    }.items():
        (tmp_path / "source" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / file).write_bytes(content)
    reading = readers.read(tmp_path / "source")
    assert reading.recognised() == expected
    groups = (reading.photos, reading.unlisted, reading.documents, tuple(reading.litter))
    assert sorted(one for group in groups for one in group) == sorted((*photos, *texts))
    archived = readers.read(packed(tmp_path / "source"))
    assert brief(archived) == brief(reading)
    assert archived.recognised() == expected
