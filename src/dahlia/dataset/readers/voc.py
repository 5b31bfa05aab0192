"""Pascal VOC: an XML file per image.

    Annotations/a.xml  JPEGImages/a.jpg  ImageSets/Main/test.txt     or  a.xml beside a.jpg, also in test/

`xmin`, `ymin`, `xmax`, `ymax` are pixels counted from 1, the last ones included: a box over a whole image
of 4x3 pixels is 1, 1, 4, 3. So left = (xmin - 1) / width, and width of the region = (xmax - xmin + 1) /
width of the image. Whole pixels are written as such and anything between with decimals, so both ways round
are exact. An object without `bndbox` tags the image as a whole; of an outline the box is taken. Where the
size of the image is not said, it is the photo's. Splits are told in `voc_sets`, which photo is meant in
`voc_photos`. Images without an XML file have no tags.

Source: The PASCAL VOC2012 Development Kit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

# Safe here: it writes; `xml_files` reads.
from xml.etree import ElementTree as ET

from dahlia.dataset.readers import folder
from dahlia.dataset.readers.boxes import has_unplaced, size_of, stated_size
from dahlia.dataset.readers.counterparts import folded, is_bare_annotation
from dahlia.dataset.readers.reading import Loaded, Tally, outline_note
from dahlia.dataset.readers.sources import merge, number, tag_name, tags_of
from dahlia.dataset.readers.splits import split_in, subset_of
from dahlia.dataset.readers.targets import (
    copy_image,
    image_size,
    new_folder,
    objects_of,
    unique_names,
)
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.readers.voc_photos import Photos
from dahlia.dataset.readers.voc_sets import ImageSets
from dahlia.dataset.readers.xml_files import parse, root_name
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.errors import DatasetError
from dahlia.files import write_text

MAX_BYTES = 4 * 1024 * 1024

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_PHOTO_FOLDERS = frozenset({"jpegimages", "images"})
Box = tuple[float, float, float, float]


def found_in(tree: Tree) -> list[str]:
    """The XML files of which the first element is `annotation`, with those in which that cannot be told.

    In `Annotation/` and the like they may be without suffix, as those of Stanford Dogs.
    """
    bare = (name for name in tree.files if not tree.document and is_bare_annotation(name))
    roots = {name: root_name(tree, name) for name in (*tree.texts_with(".xml"), *bare)}
    telling = "annotation" in roots.values() or not folder.has_tags(tree)
    return [name for name, root in roots.items() if root == "annotation" or (telling and not root)]


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read XML files, one for each image.

    Raises:
        DatasetError: with the file, for XML that is malformed, too large, has a DOCTYPE, or is not of
            this form; or with both lists, for a photo that is in two splits.
    """
    if not documents:
        raise DatasetError(
            f"Expected .xml files with an `annotation` in {tree.root}, found none. Export it as Pascal VOC."
        )
    return _Reader(tree, documents).loaded()


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


class _Reader:
    def __init__(self, tree: Tree, documents: Sequence[str]) -> None:
        self._tree = tree
        self._sets = ImageSets(tree)
        self._documents = [name for name in documents if not self._sets.leaves_out(name)]
        self._photos = Photos(tree, self._documents)
        self._outlines: dict[str, int] = {}
        self._tally = Tally()

    def loaded(self) -> Loaded:
        annotations = [self._annotation(name) for name in self._documents]
        annotations += self._without_document({str(one.path) for one in annotations})
        layout = "Pascal VOC, an XML file for each photo"
        if self._sets:
            layout = f"{layout}, splits from ImageSets"
        return Loaded(
            merge(annotations),
            layout,
            (*self._photos.notes, *outline_note(self._outlines), *self._tally.notes),
        )

    def _annotation(self, document: str) -> Annotation:
        tree = self._tree
        root = parse(tree, document, MAX_BYTES)
        file = f"{tree.root}/{document}"
        if root.tag != "annotation":
            raise DatasetError(
                f"{file}: expected `annotation`, received `{root.tag}`. Export it as Pascal VOC."
            )
        path, hint = self._photos.find(document, root.findtext("filename", ""))
        said = [
            (tag_name(entry.findtext("name", ""), f"{file}, object {index}"), entry)
            for index, entry in enumerate(root.findall("object"), 1)
        ]
        boxes = [(tag, self._box(entry, document, index)) for index, (tag, entry) in enumerate(said, 1)]
        split = self._split(document, path)
        if has_unplaced(boxes):
            self._tally.add("object-without-box", tree.name(path))
        return Annotation(
            path=path,
            tags=tags_of(tag for tag, _ in said),
            regions=tuple(_regions([(tag, box) for tag, box in boxes if box], root, path)),
            subset=subset_of(split),
            source=document,
            split=split,
            hint=hint,
            stated=stated_size(root.findtext("size/width"), root.findtext("size/height")),
        )

    def _box(self, entry: ET.Element, document: str, index: int) -> Box | None:
        """Left, top, right and bottom in pixels, counted from 0 and the last ones excluded."""
        where = f"{self._tree.root}/{document}, object {index}"
        if entry.find("bndbox") is not None:
            left, top, right, bottom = (
                number(entry.findtext(f"bndbox/{key}"), f"{where}, `{key}`") for key in _CORNERS
            )
            return left - 1, top - 1, right, bottom
        points = _outline(entry, where)
        if not points:
            return None
        self._outlines[document] = self._outlines.get(document, 0) + 1
        across, down = zip(*points, strict=True)
        return min(across), min(down), max(across), max(down)

    def _split(self, document: str, photo: Path) -> Split | None:
        listed = self._sets.split(document) or self._sets.split(self._tree.name(photo))
        if listed:
            return listed
        of_folders = [split_in(name.split("/")[:-1]) for name in (document, self._tree.name(photo))]
        return "test" if "test" in of_folders else of_folders[0] or of_folders[1]

    def _without_document(self, named: set[str]) -> Iterator[Annotation]:
        """Photos without an XML file: those that lie where others have one, or in `JPEGImages`."""
        prefix = f"{self._tree.root}/"
        places = {path.removeprefix(prefix).rpartition("/")[0] for path in named}
        for name in self._tree.images:
            *folders, base = name.split("/")
            near = "/".join(folders) in places or any(folded(one) in _PHOTO_FOLDERS for one in folders)
            if near and f"{prefix}{name}" not in named and not self._sets.leaves_out(name):
                split = self._sets.split(name) or split_in(folders)
                yield Annotation(self._tree.path(name), (), (), subset_of(split), base, split)


def _outline(entry: ET.Element, where: str) -> list[tuple[float, float]]:
    """The points of a polygon, or the corners of a rotated box; none where there is neither."""
    if (rotated := entry.find("robndbox")) is not None:
        x, y, width, height, angle = (
            number(rotated.findtext(key), f"{where}, `{key}`") for key in ("cx", "cy", "w", "h", "angle")
        )
        across, down = math.cos(angle) / 2, math.sin(angle) / 2
        return [
            (x + a * width * across - b * height * down, y + a * width * down + b * height * across)
            for a in (-1, 1)
            for b in (-1, 1)
        ]
    polygon = entry.find("polygon")
    if polygon is None:
        return []
    points = [(point.findtext("x"), point.findtext("y")) for point in polygon.findall("pt")]
    index = 1
    while polygon.find(f"x{index}") is not None:
        points.append((polygon.findtext(f"x{index}"), polygon.findtext(f"y{index}")))
        index += 1
    return [(number(x, f"{where}, `polygon`"), number(y, f"{where}, `polygon`")) for x, y in points]


def _regions(boxes: list[tuple[str, Box]], root: ET.Element, photo: Path) -> Iterator[Region]:
    """None where the image's size is neither said nor that of a photo which is there."""
    said = root.findtext("size/width"), root.findtext("size/height")
    size = size_of(photo, *said) if boxes else None
    if size:
        width, height = size
        for tag, (left, top, right, bottom) in boxes:
            yield Region(tag, left / width, top / height, (right - left) / width, (bottom - top) / height)


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
    for tag, region in objects_of(annotation):
        if region is None:
            yield tag, []
            continue
        right, bottom = region.left + region.width, region.top + region.height
        corners = (region.left * width + 1, region.top * height + 1, right * width, bottom * height)
        yield region.tag, [_pixel(corner) for corner in corners]


def _pixel(value: float) -> str:
    return str(round(value)) if abs(value - round(value)) < 1e-6 else repr(value)
