"""CVAT for images: one XML file with an element for each image.

    <annotations>
      <image id="0" name="a.jpg" subset="Train" width="40" height="30">
        <tag label="fork"/>
        <box label="spoon" xtl="1.5" ytl="2" xbr="20" ybr="15"/>
        <polygon label="spoon" points="1.5,2;20,2;20,15"/>
      </image>
    </annotations>

Pixels are counted from 0. Of what is no upright box, the box around it is taken. Images lie beside the file,
or in `images/` there, also in a folder of their subset. A subset `Test` is the user's own test set. An
image may have a `group` that it is in (see `dahlia.dataset.groups`), which CVAT itself does not write.

Source: https://docs.cvat.ai/docs/manual/advanced/xml_format/, "Annotation".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from dahlia.dataset.groups import group_name
from dahlia.dataset.readers.boxes import has_unplaced, size_of, stated_size
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.reading import Loaded, Tally, outline_note
from dahlia.dataset.readers.sources import merge, number, tag_name, tags_of
from dahlia.dataset.readers.splits import split_in, split_of, split_of_document, subset_of
from dahlia.dataset.readers.targets import image_size, plain_tags, relative_name
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.readers.xml_files import parse, root_name
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.errors import DatasetError
from dahlia.files import write_text

MAX_BYTES = 256 * 1024 * 1024

_HEAD = 4096
_SIGNS = ("<version", "<meta", "<image", "<track")
_CORNERS = ("xtl", "ytl", "xbr", "ybr")
_SHAPES = frozenset({"polygon", "polyline", "points", "ellipse", "mask", "cuboid", "skeleton"})
Points = list[tuple[float, float]]


def found_in(tree: Tree) -> list[str]:
    """The XML files of which the first element is `annotations`, as CVAT writes it."""
    named = (name for name in tree.texts_with(".xml") if root_name(tree, name) == "annotations")
    return [name for name in named if any(sign.encode() in tree.head(name, _HEAD) for sign in _SIGNS)]


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read CVAT's files; each may be of a split, by its name or its folder's.

    Raises:
        DatasetError: with the file and the image: it is not XML or not of this form, or is about a video.
    """
    if not documents:
        raise DatasetError(
            f"Expected an .xml file with `annotations` in {tree.root}, found none. Export as CVAT for images."
        )
    finder, tally = PhotoFinder(tree), Tally()
    outlines: dict[str, int] = {}
    annotations = [one for name in documents for one in _document(tree, name, finder, outlines, tally)]
    notes = (*finder.notes, *outline_note(outlines), *tally.notes)
    return Loaded(merge(annotations), "CVAT for images", notes)


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Write a file of CVAT; ids count from 0 in the given order.

    Raises:
        DatasetError: an image is missing, unreadable, or outside the folder of the file.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    for index, annotation in enumerate(annotations):
        width, height = image_size(annotation.path)
        name = relative_name(annotation.path, target.parent)
        subset = {"subset": "Test" if annotation.subset == "test" else "Train"}
        size = {"width": str(width), "height": str(height)}
        group = {"group": annotation.group} if annotation.group else {}
        image = ET.SubElement(root, "image", {"id": str(index), "name": name, **subset, **size, **group})
        for tag in plain_tags(annotation):
            ET.SubElement(image, "tag", {"label": tag})
        for region in annotation.regions:
            right, bottom = region.left + region.width, region.top + region.height
            corners = (region.left * width, region.top * height, right * width, bottom * height)
            written = {key: repr(value) for key, value in zip(_CORNERS, corners, strict=True)}
            ET.SubElement(image, "box", {"label": region.tag, **written})
    ET.indent(root)
    write_text(target, ET.tostring(root, encoding="unicode") + "\n")


def _document(
    tree: Tree, document: str, finder: PhotoFinder, outlines: dict[str, int], tally: Tally
) -> Iterator[Annotation]:
    root = parse(tree, document, MAX_BYTES)
    file = f"{tree.root}/{document}"
    images = root.findall("image")
    if not images:
        found = "tracks of a video" if root.find("track") is not None else "none"
        raise DatasetError(
            f"{file}: expected an `image` for each photo, found {found}. Export as CVAT for images."
        )
    *folders, base = document.split("/")
    own = split_of_document(base) or split_in(folders)
    for index, image in enumerate(images):
        name = image.get("name", "")
        where = f"{file}, image {index} ({name})"
        subset = image.get("subset", "")
        path, hint = finder.find(name, where, _places("/".join(folders), subset))
        split: Split | None = split_of(subset) or split_in(tree.name(path).split("/")[:-1]) or own
        said = [(tag_name(shape.get("label", ""), where), shape) for shape in _labelled(image)]
        shapes = [(tag, _points(shape, where)) for tag, shape in said]
        drawn = [(tag, shape) for tag, shape in said if shape.tag != "tag"]
        if has_unplaced([(tag, len(_points(shape, where)) > 1 or None) for tag, shape in drawn]):
            tally.add("object-without-box", tree.name(path))
        count = sum(shape.tag in _SHAPES for _, shape in said)
        if count:
            outlines[document] = outlines.get(document, 0) + count
        regions = tuple(_regions(shapes, image, path))
        tags = tags_of(tag for tag, _ in said)
        group = group_name(image.get("group"), f"{where}, `group`")
        stated = stated_size(image.get("width"), image.get("height"))
        yield Annotation(path, tags, regions, subset_of(split), document, split, hint, group, stated)


def _places(folder: str, subset: str) -> list[str]:
    inside = ("", "images", f"images/{subset}" if subset else "")
    return list(dict.fromkeys("/".join(filter(None, (folder, place))) for place in inside))


def _labelled(image: ET.Element) -> Iterator[ET.Element]:
    yield from (shape for shape in image if shape.tag in ("tag", "box") or shape.tag in _SHAPES)


def _points(shape: ET.Element, where: str) -> Points:
    """The points around which a box is drawn, in pixels; none where the image as a whole is tagged."""

    def of(*keys: str) -> list[float]:
        return [number(shape.get(key), f"{where}, `{key}`") for key in keys]

    if shape.tag == "box":
        left, top, right, bottom = of(*_CORNERS)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        return _turned(corners, math.radians(*of("rotation"))) if shape.get("rotation") else corners
    if shape.tag == "ellipse":
        x, y, across, down = of("cx", "cy", "rx", "ry")
        return [(x - across, y - down), (x + across, y + down)]
    if shape.tag == "mask":
        left, top, width, height = of("left", "top", "width", "height")
        return [(left, top), (left + width, top + height)]
    if shape.tag == "skeleton":
        return [point for part in shape if part.tag != shape.tag for point in _points(part, where)]
    if shape.tag == "cuboid":
        pairs = [(key, key.replace("x", "y", 1)) for key in shape.keys() if key.startswith("x")]  # noqa: SIM118
        return [(x, y) for x, y in (of(*pair) for pair in pairs)]
    written = (pair.split(",") for pair in shape.get("points", "").split(";") if pair.strip())
    return [
        (number(pair[0], f"{where}, `points`"), number(pair[-1], f"{where}, `points`")) for pair in written
    ]


def _turned(corners: Points, angle: float) -> Points:
    x, y = (sum(values) / len(corners) for values in zip(*corners, strict=True))
    cos, sin = math.cos(angle), math.sin(angle)
    return [
        (x + (left - x) * cos - (top - y) * sin, y + (left - x) * sin + (top - y) * cos)
        for left, top in corners
    ]


def _regions(shapes: Sequence[tuple[str, Points]], image: ET.Element, photo: Path) -> Iterator[Region]:
    """Boxes around points; none where the image's size is neither said nor that of a photo which is there."""
    drawn = [(tag, points) for tag, points in shapes if len(points) > 1]
    size = size_of(photo, image.get("width"), image.get("height")) if drawn else None
    if size:
        for tag, points in drawn:
            across, down = zip(*points, strict=True)
            left, top = min(across) / size[0], min(down) / size[1]
            yield Region(tag, left, top, max(across) / size[0] - left, max(down) / size[1] - top)
