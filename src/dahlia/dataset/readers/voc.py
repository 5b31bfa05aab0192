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
from pathlib import Path, PurePosixPath

# Safe here: the size is bounded and a DOCTYPE, without which there are no entities, is refused.
from xml.etree import ElementTree as ET

from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.reading import Loaded
from dahlia.dataset.readers.sources import (
    merge,
    number,
    tag_name,
    tags_of,
    text_of,
)
from dahlia.dataset.readers.splits import split_in, subset_of
from dahlia.dataset.readers.targets import copy_image, image_size, new_folder, plain_tags, unique_names
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.errors import DatasetError
from dahlia.files import write_text

MAX_BYTES = 4 * 1024 * 1024

_PLACES = ("", "JPEGImages", "images")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SETS = ("ImageSets", "Main")


def found_in(tree: Tree) -> list[str]:
    """The XML files in the source."""
    return tree.texts_with(".xml")


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read XML files, one for each image.

    Raises:
        DatasetError: with the file, for XML that is malformed, too large, has a DOCTYPE, or is not of
            this form.
    """
    if not documents:
        raise DatasetError(f"Expected .xml files in {tree.root}, found none. Export it as Pascal VOC.")
    sets = _sets(tree)
    finder = PhotoFinder(tree)
    annotations = [_annotation(tree, name, finder, sets) for name in documents]
    named = {one.path for one in annotations}
    for name in tree.images:
        path = tree.path(name)
        if path not in named:
            split = _split(name, sets)
            annotations.append(Annotation(path, subset=subset_of(split), source=path.name, split=split))
    return Loaded(merge(annotations), "Pascal VOC, an XML file for each photo", finder.notes)


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


def _parse(tree: Tree, name: str) -> ET.Element:
    path = tree.path(name)
    data = tree.content(name, MAX_BYTES)
    try:
        return ET.fromstring(data, ET.XMLParser(target=_Builder()))  # noqa: S314
    except ET.ParseError as error:
        raise DatasetError(f"{path}:{error.position[0]}: not XML ({error}). Export it again.") from error
    except (LookupError, ValueError) as error:
        raise DatasetError(f"{path}: not XML in a known encoding ({error}). Export it as UTF-8.") from error
    except _DoctypeError:
        raise DatasetError(f"{path}: expected no DOCTYPE, received one. Remove it.") from None


def _annotation(tree: Tree, document: str, finder: PhotoFinder, sets: dict[str, Split]) -> Annotation:
    root = _parse(tree, document)
    file = tree.path(document)
    folder = document.rpartition("/")[0]
    base = folder.removesuffix("Annotations").rstrip("/")
    places = [base, *(f"{base}/{place}".lstrip("/") for place in _PLACES[1:]), folder]
    path, hint = finder.find(root.findtext("filename", ""), f"{file}, `filename`", places)
    said = [
        (tag_name(entry.findtext("name", ""), f"{file}, object {index}"), entry)
        for index, entry in enumerate(root.findall("object"), 1)
    ]
    boxed = [(tag, entry, index) for index, (tag, entry) in enumerate(said, 1) if _has_box(entry)]
    size = _size(root, file, path) if boxed else (1.0, 1.0)
    split = _split(document, sets)
    return Annotation(
        path=path,
        tags=tags_of(tag for tag, _ in said),
        regions=tuple(_region(tag, entry, size, f"{file}, object {i}") for tag, entry, i in boxed),
        subset=subset_of(split),
        source=document,
        split=split,
        hint=hint,
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


def _sets(tree: Tree) -> dict[str, Split]:
    """Which split `ImageSets/Main/` puts an image in, by its name without suffix."""
    files: dict[str, Split] = {"train": "train", "val": "valid", "test": "test"}
    sets: dict[str, Split] = {}
    for name in tree.texts_with(".txt"):
        path = PurePosixPath(name)
        if path.parts[-3:-1] == _SETS and path.stem in files:
            sets |= {
                line.split()[0]: files[path.stem] for line in text_of(tree, name).splitlines() if line.strip()
            }
    return sets


def _split(name: str, sets: dict[str, Split]) -> Split | None:
    path = PurePosixPath(name)
    return sets.get(path.stem) or split_in(path.parts[:-1])


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
