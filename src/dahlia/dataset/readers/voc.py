"""Pascal VOC: an XML file per image.

    Annotations/a.xml  JPEGImages/a.jpg  ImageSets/Main/test.txt     or  a.xml beside a.jpg

`xmin`, `ymin`, `xmax`, `ymax` are pixels counted from 1, the last ones included: a box over a whole image
of 4x3 pixels is 1, 1, 4, 3. So left = (xmin - 1) / width, and width of the region = (xmax - xmin + 1) /
width of the image. Whole pixels are written as such and anything between with decimals, so both ways round
are exact. An object without `bndbox` tags the image as a whole. Images whose names, without suffix, are in
`ImageSets/Main/test.txt` are the user's own test set. Images without an XML file have no tags.

Source: The PASCAL VOC2012 Development Kit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

# Safe here: the size is bounded and a DOCTYPE, without which there are no entities, is refused.
from xml.etree import ElementTree as ET

from dahlia.dataset.readers.sources import (
    bytes_of,
    files_with,
    images_below,
    merge,
    number,
    path_inside,
    tag_name,
    tags_of,
    text_of,
)
from dahlia.dataset.readers.targets import copy_image, image_size, new_folder, plain_tags, unique_names
from dahlia.dataset.records import Annotation, Region, Subset
from dahlia.errors import DatasetError
from dahlia.files import write_text

MAX_BYTES = 4 * 1024 * 1024

_PLACES = ("", "JPEGImages", "images")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_TEST_SET = Path("ImageSets", "Main", "test.txt")


def found_in(folder: Path) -> bool:
    """Whether a folder, or its `Annotations/`, has XML files."""
    return bool(files_with(folder, (".xml",), ("", "Annotations")))


def load(source: Path) -> list[Annotation]:
    """Read a folder of XML files, in it or in its `Annotations/`.

    Raises:
        DatasetError: with the file, for XML that is malformed, too large, has a DOCTYPE, or is not of
            this form.
    """
    root = source.resolve()
    files = files_with(root, (".xml",), ("", "Annotations")) if root.is_dir() else []
    if not files:
        raise DatasetError(
            f"Expected .xml files in {source} or {source}/Annotations, found none. Export it as Pascal VOC."
        )
    test = _test_stems(root)
    annotations = [_annotation(file, root, test) for file in files]
    named = {annotation.path for annotation in annotations}
    folders = [root / place for place in _PLACES[1:] if (root / place).is_dir()] or [root]
    spare = {path for folder in folders for path in images_below(folder)} - named
    bare = [Annotation(path, subset=_subset(path.stem, test), source=path.name) for path in spare]
    return merge(annotations + bare)


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Write `Annotations/`, `JPEGImages/` (copies) and `ImageSets/Main/` into a new folder.

    Raises:
        DatasetError: an image is missing or unreadable.
    """
    names = unique_names(annotations)
    with new_folder(target) as staged:
        for annotation in annotations:
            name = names[annotation.path]
            copy_image(annotation.path, staged / "JPEGImages" / name)
            text = _document(annotation, name)
            write_text(staged / "Annotations" / f"{Path(name).stem}.xml", text)
        for subset in ("train", "test"):
            stems = [Path(names[entry.path]).stem for entry in annotations if entry.subset == subset]
            write_text(staged / "ImageSets" / "Main" / f"{subset}.txt", "".join(f"{s}\n" for s in stems))


class _DoctypeError(Exception):
    pass


class _Builder(ET.TreeBuilder):
    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _DoctypeError


def _parse(path: Path) -> ET.Element:
    data = bytes_of(path, MAX_BYTES)
    try:
        return ET.fromstring(data, ET.XMLParser(target=_Builder()))  # noqa: S314
    except ET.ParseError as error:
        raise DatasetError(f"{path}:{error.position[0]}: not XML ({error}). Export it again.") from error
    except (LookupError, ValueError) as error:
        raise DatasetError(f"{path}: not XML in a known encoding ({error}). Export it as UTF-8.") from error
    except _DoctypeError:
        raise DatasetError(f"{path}: expected no DOCTYPE, received one. Remove it.") from None


def _annotation(file: Path, root: Path, test: set[str]) -> Annotation:
    document = _parse(file)
    name = document.findtext("filename", "")
    path = path_inside(root, name, f"{file}, `filename`", below=_PLACES)
    said = [
        (tag_name(entry.findtext("name", ""), f"{file}, object {index}"), entry)
        for index, entry in enumerate(document.findall("object"), 1)
    ]
    boxed = [(tag, entry, index) for index, (tag, entry) in enumerate(said, 1) if _has_box(entry)]
    size = _size(document, file, path) if boxed else (1.0, 1.0)
    return Annotation(
        path=path,
        tags=tags_of(tag for tag, _ in said),
        regions=tuple(_region(tag, entry, size, f"{file}, object {i}") for tag, entry, i in boxed),
        subset=_subset(file.stem, test),
        source=file.name,
    )


def _has_box(entry: ET.Element) -> bool:
    return entry.find("bndbox") is not None


def _size(document: ET.Element, file: Path, image: Path) -> tuple[float, float]:
    if document.find("size") is None and image.is_file():
        return image_size(image)
    width, height = (
        number(document.findtext(f"size/{key}"), f"{file}, `size/{key}`") for key in ("width", "height")
    )
    if width <= 0 or height <= 0:
        raise DatasetError(f"{file}: expected the image's size, received {width}x{height}. Fill it in.")
    return width, height


def _region(tag: str, entry: ET.Element, size: tuple[float, float], where: str) -> Region:
    left, top, right, bottom = (
        number(entry.findtext(f"bndbox/{key}"), f"{where}, `{key}`") for key in _CORNERS
    )
    width, height = size
    return Region(
        tag, (left - 1) / width, (top - 1) / height, (right - left + 1) / width, (bottom - top + 1) / height
    )


def _test_stems(root: Path) -> set[str]:
    path = root / _TEST_SET
    return {line.strip() for line in text_of(path).splitlines()} - {""} if path.is_file() else set()


def _subset(stem: str, test: set[str]) -> Subset:
    return "test" if stem in test else "train"


def _document(annotation: Annotation, name: str) -> str:
    width, height = image_size(annotation.path)
    root = ET.Element("annotation")
    ET.SubElement(root, "folder").text = "JPEGImages"
    ET.SubElement(root, "filename").text = name
    size = ET.SubElement(root, "size")
    for key, value in (("width", width), ("height", height), ("depth", 3)):
        ET.SubElement(size, key).text = str(value)
    for tag, box in _objects(annotation, width, height):
        entry = ET.SubElement(root, "object")
        ET.SubElement(entry, "name").text = tag
        if box:
            corners = ET.SubElement(entry, "bndbox")
            for key, pixel in zip(_CORNERS, box, strict=True):
                ET.SubElement(corners, key).text = pixel
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _objects(annotation: Annotation, width: int, height: int) -> Iterator[tuple[str, list[str]]]:
    yield from ((tag, []) for tag in plain_tags(annotation))
    for region in annotation.regions:
        right, bottom = region.left + region.width, region.top + region.height
        corners = (region.left * width + 1, region.top * height + 1, right * width, bottom * height)
        yield region.tag, [_pixel(corner) for corner in corners]


def _pixel(value: float) -> str:
    return str(round(value)) if abs(value - round(value)) < 1e-6 else repr(value)
