from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from dahlia.dataset import readers
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region
from dahlia.errors import DatasetError

SIZE = (40, 30)


def picture(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", SIZE, (seed % 256, 90, 160)).save(buffer, "PNG")
    return buffer.getvalue()


def put(root: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(seed))
    return root


def region(tag: str, left: float, top: float, right: float, bottom: float) -> Region:
    return Region(tag, left / 40, top / 30, (right - left) / 40, (bottom - top) / 30)


def sample(root: Path) -> dict[str, list[Annotation]]:
    """What each format is asked to hold, over images that exist below `root`."""
    put(root, "a/1.png", "b/1.png", "b/2.png", "c/3.png")
    a, b, two, three = (root.resolve() / name for name in ("a/1.png", "b/1.png", "b/2.png", "c/3.png"))
    fork, spoon = region("fork", 1, 2, 11, 17), region("Löffel, groß", 0, 0, 40, 30)
    boxed = [
        Annotation(a, ("fork",), (fork, region("fork", 20, 3, 33, 29))),
        Annotation(b, ("Löffel, groß", "fork"), (spoon, fork)),
        Annotation(two, ("fork",), (region("fork", 1.3, 2.7, 8.1, 9.9),), "test"),
        Annotation(three),
    ]
    tagged = [
        Annotation(a, ("fork",)),
        Annotation(b, ("spoon", "fork"), (fork,)),
        Annotation(two, ("fork", "spoon"), (fork,), "test"),
        Annotation(three),
    ]
    single = [
        Annotation(a, ("fork",)),
        Annotation(b, ("Löffel, groß",)),
        Annotation(two, ("fork",), (), "test"),
        Annotation(three, ("fork",)),
    ]
    return {"boxed": boxed, "tagged": tagged, "single": single}


def contents(annotations: list[Annotation]) -> list[object]:
    """What two datasets have in common if they say the same of the same images, wherever these lie."""
    return sorted(
        (
            entry.path.read_bytes(),
            entry.tags,
            entry.subset,
            [
                (box.tag, *(round(value, 9) for value in (box.left, box.top, box.width, box.height)))
                for box in entry.regions
            ],
        )
        for entry in annotations
    )


@pytest.mark.parametrize(
    ("format", "kind", "target"),
    [
        ("folder", "single", "out"),
        ("csv", "boxed", "photos/labels.csv"),
        ("csv", "tagged", "photos/labels.csv"),
        ("csv", "single", "photos/labels.csv"),
        ("coco", "boxed", "photos/instances.json"),
        ("coco", "tagged", "photos/annotations/instances.json"),
        ("coco", "single", "photos/instances.json"),
        ("voc", "boxed", "out"),
        ("voc", "tagged", "out"),
        ("voc", "single", "out"),
        ("yolo", "boxed", "out"),
        ("labelstudio", "boxed", "photos/tasks.json"),
        ("labelstudio", "tagged", "photos/annotations/tasks.json"),
        ("labelstudio", "single", "photos/tasks.json"),
        ("createml", "boxed", "photos/annotations.json"),
        ("createml", "tagged", "photos/annotations/photos.json"),
        ("createml", "single", "photos/annotations.json"),
        ("labelme", "boxed", "out"),
        ("labelme", "tagged", "out"),
        ("labelme", "single", "out"),
    ],
)
def test_what_is_written_is_read_again(tmp_path: Path, format: str, kind: str, target: str) -> None:
    annotations = sample(tmp_path / "photos")[kind]
    readers.write(annotations, tmp_path / target, format)
    again = readers.read(tmp_path / target, format).annotations
    assert contents(again) == contents(annotations)
    assert readers.read(tmp_path / target).annotations == again
    assert [entry.path for entry in again] == sorted(entry.path for entry in again)


@pytest.mark.parametrize(
    ("format", "kind", "target"),
    [("csv", "boxed", "x.csv"), ("coco", "boxed", "x.json"), ("voc", "boxed", "x"), ("yolo", "boxed", "x")],
)
def test_writing_is_deterministic(tmp_path: Path, format: str, kind: str, target: str) -> None:
    annotations = sample(tmp_path)[kind]
    second = target.replace("x", "z", 1)
    for name in (target, second):
        readers.write(annotations, tmp_path / name, format)
    texts = [
        [
            path.read_bytes()
            for path in sorted([tmp_path / name, *(tmp_path / name).rglob("*")])
            if path.is_file()
        ]
        for name in (target, second)
    ]
    assert texts[0]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("format", "kind", "target", "message"),
    [
        ("folder", "tagged", "out", "with one tag each and no regions"),
        ("yolo", "tagged", "out", "without a region"),
        ("labelstudio", "boxed", "elsewhere/labels.json", "Expected images inside"),
        ("createml", "boxed", "elsewhere/labels.json", "Expected images inside"),
        ("labelstudio", "missing", "photos/a.json", "which is not there"),
        ("createml", "missing", "photos/a.json", "which is not there"),
        ("labelme", "missing", "out", "which is not there"),
        ("labelme", "boxed", "photos", "Expected a new or empty folder"),
        ("csv", "boxed", "elsewhere/labels.csv", "Expected images inside"),
        ("coco", "boxed", "elsewhere/labels.json", "Expected images inside"),
        ("voc", "boxed", "photos", "Expected a new or empty folder"),
        ("voc", "missing", "out", "which is not there"),
        ("coco", "missing", "photos/a.json", "which is not there"),
        ("folder", "missing", "out", "which is not there"),
        ("folder", "slash", "out", "cannot be the name of a folder"),
        ("coco", "broken", "photos/a.json", r"broken\.png: Expected a JPEG"),
        ("tfrecord", "single", "out", "known: folder, "),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, format: str, kind: str, target: str, message: str) -> None:
    photos = tmp_path / "photos"
    table = sample(photos)
    (photos / "broken.png").write_bytes(b"hello")
    table["missing"] = [Annotation(photos.resolve() / "gone.png", ("fork",))]
    table["broken"] = [Annotation(photos.resolve() / "broken.png", ("fork",))]
    table["slash"] = [Annotation(photos.resolve() / "a/1.png", ("knife/fork",))]
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(DatasetError, match=message):
        readers.write(table[kind], tmp_path / target, format)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


TABLE = "file,tag\na.jpg,cat\nb.jpg,dog\n"
COCO = (
    '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "category_id": 1}], '
    '"categories": [{"id": 1, "name": "cat"}]}'
)
VOC = "<annotation><filename>a.jpg</filename><object><name>cat</name></object></annotation>"


@pytest.mark.parametrize(
    ("files", "source", "expected"),
    [
        ({"cat/1.png": ""}, ".", "folder"),
        ({"cat/1.png": "", "README.md": "", "notes.txt": ""}, ".", "folder"),
        ({"cat/1.png": "", "package.json": '{"name": "x"}'}, ".", "folder"),
        ({"a.csv": TABLE}, ".", "csv"),
        ({"a.csv": TABLE}, "a.csv", "csv"),
        ({"a.TSV": TABLE.replace(",", "\t")}, ".", "csv"),
        ({"a.json": COCO}, "a.json", "coco"),
        ({"a.json": COCO}, ".", "coco"),
        ({"annotations/a.json": COCO}, ".", "coco"),
        ({"Annotations/a.xml": VOC, "JPEGImages/a.jpg": ""}, ".", "voc"),
        ({"a.xml": VOC, "a.jpg": ""}, ".", "voc"),
        ({"data.yaml": "names: [cat]", "images/a.jpg": "", "labels/a.txt": "0 .5 .5 1 1"}, ".", "yolo"),
        ({"classes.txt": "cat", "images/a.jpg": "", "labels/a.txt": "0 .5 .5 1 1"}, ".", "yolo"),
        ({"labels/classes.txt": "cat", "images/a.jpg": "", "labels/a.txt": "0 .5 .5 1 1"}, ".", "yolo"),
        ({"classes.txt": "", "cat/1.png": ""}, ".", "folder"),
        ({"cat/a.jpg": "", "dog/b.jpg": "", "other.csv": "file,tag\nz.jpg,ox\n"}, ".", "folder"),
        ({"cat/a.jpg": "", "dog/b.jpg": "", "tags.csv": "file,tag\ncat/a.jpg,ox\n"}, ".", "csv"),
        ({"cat/a.jpg": "", "dog/b.jpg": "", "compose.yaml": "services: {}", "x.json": "[1]"}, ".", "folder"),
    ],
)
def test_detect(tmp_path: Path, files: dict[str, str], source: str, expected: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert readers.read(tmp_path / source).format == expected


@pytest.mark.parametrize(
    ("source", "format", "message"),
    [
        ("nothing", "auto", "which is not there"),
        ("notes.txt", "auto", r"Expected a folder or a file of annotations"),
        (".", "folders", "did you mean folder"),
        ("header.csv", "csv", "found none"),
        ("notes.txt", "folder", "which is a file"),
        ("notes.txt", "voc", r"Expected \.xml files"),
        (".", "voc", r"Expected \.xml files"),
        (".", "coco", r"Expected a \.json file in .*, found none"),
        (".", "yolo", "found neither"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, source: str, format: str, message: str) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "header.csv").write_text("file,tag\n")
    with pytest.raises(DatasetError, match=message) as caught:
        readers.read(tmp_path / source, format)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "a.png"),
        ("./b/../a.png", "a.png"),
        ("b\\c.png", "b/c.png"),
        (" a.png ", "a.png"),
        ("ä/" + "x" * 300, "ä/" + "x" * 300),
        ("{root}/a.png", "a.png"),
        ("{root}/../../etc/passwd", None),
        ("../a.png", None),
        ("b/../../a.png", None),
        ("..\\a.png", None),
        ("/etc/passwd", None),
        ("C:\\photos\\a.png", None),
        ("c:/photos/a.png", None),
        ("//server/a.png", None),
        ("", None),
        (".", None),
        ("a\0.png", None),
    ],
)
def test_paths_stay_inside(tmp_path: Path, name: str, expected: str | None) -> None:
    root = tmp_path.resolve()
    name = name.replace("{root}", str(root))
    if expected is None:
        with pytest.raises(DatasetError, match=r"^labels\.csv:3: expected "):
            PhotoFinder(Tree(root)).find(name, "labels.csv:3")
    else:
        assert PhotoFinder(Tree(root)).find(name, "labels.csv:3") == (root / expected, "")


def test_links_inside_the_source_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "store", "1.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "loop").symlink_to("..")
    found = readers.read(tmp_path / "photos").annotations
    assert [entry.path.relative_to(tmp_path.resolve()).as_posix() for entry in found][:1] == [
        "photos/cat/1.png"
    ]
    assert all(entry.tags == ("cat",) for entry in found)


def test_annotations_of_a_few_photos_are_no_tags_without_a_word(tmp_path: Path) -> None:
    put(tmp_path, *(f"{tag}/{number}.png" for tag in ("cat", "dog") for number in range(3)))
    (tmp_path / "tags.csv").write_text("file,tag\ncat/0.png,ox\n")
    with pytest.raises(DatasetError, match=r"tags\.csv names 1 of 6 photos, and the folders may be tags"):
        readers.read(tmp_path)
    assert readers.read(tmp_path, "csv").tags == {"ox": 1}
    assert readers.read(tmp_path, "folder").tags == {"cat": 3, "dog": 3}


def test_a_table_that_cannot_be_read_names_the_setting(tmp_path: Path) -> None:
    put(tmp_path, "cat/a.png", "dog/b.png")
    (tmp_path / "tags.csv").write_text('file,tag\ncat/a.png,"cat\n')
    with pytest.raises(DatasetError, match=r"tags\.csv:2: not a row .*set `ingest.format: folder`"):
        readers.read(tmp_path)
    assert readers.read(tmp_path, "folder").tags == {"cat": 1, "dog": 1}
