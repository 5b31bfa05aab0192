"""labelme: a JSON file for each photo, usually beside it.

    a.json  a.jpg          {"imagePath": "a.jpg", "flags": {}, "shapes": [{"label": "fork",
                            "shape_type": "rectangle", "points": [[1, 2], [11, 17]]}]}

A rectangle is a region; of a polygon, a circle or a mask the box around it is taken; a point or a line
tags the photo. `flags` that are true are tags of the photo as a whole. The photo is the one of the same name
beside the file, else the one in `imagePath`; `imageData` is not read. A photo in a folder that is named
after a split is of that split.

Source: https://github.com/wkentaro/labelme, labelme/label_file.py.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from dahlia.dataset.readers.boxes import (
    Box,
    Size,
    box_around,
    has_unplaced,
    points_of,
    region_of,
    size_of,
    stated_size,
)
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.json_documents import Entry, content_of, documents_of, entries_of, none_found
from dahlia.dataset.readers.reading import Loaded, Tally
from dahlia.dataset.readers.sources import merge, tags_of, with_splits, written_tag
from dahlia.dataset.readers.splits import photo_places
from dahlia.dataset.readers.targets import copy_image, image_size, new_folder, plain_tags, unique_names
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region
from dahlia.errors import DatasetError
from dahlia.files import write_json

_ADVICE = "Save it with labelme again."
_IGNORED = "__ignore__"  # labelme's word for what is to be left out
_WITHOUT_AREA = frozenset({"point", "points", "line", "linestrip"})
_VERSION = "5.5.0"  # of labelme, whose files those that are written are like


def found_in(tree: Tree) -> list[str]:
    """The JSON files of labelme's form."""
    return documents_of(tree, "labelme")


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read labelme files, one for each photo.

    Raises:
        DatasetError: one is not JSON (with the line) or not of this form (with the shape).
    """
    if not documents:
        raise none_found(tree, "labelme", _ADVICE)
    photos, tally = _Photos(tree), Tally()
    annotations = merge(_annotation(tree, name, photos, tally) for name in documents)
    layout = "labelme, a JSON file for each photo"
    return Loaded(with_splits(tree.root, annotations), layout, (*photos.finder.notes, *tally.notes))


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Write `train/` and `test/` with photos (copies), each with its JSON file beside it, into a new folder.

    Raises:
        DatasetError: an image is missing or unreadable.
    """
    names = unique_names(annotations)
    with new_folder(target) as staged:
        for annotation in annotations:
            place = staged / annotation.subset / names[annotation.path]
            copy_image(annotation.path, place)
            write_json(place.with_suffix(".json"), _document(annotation, place.name))


class _Photos:
    """Finds the photo of a file."""

    def __init__(self, tree: Tree) -> None:
        self.finder = PhotoFinder(tree)
        self._tree = tree
        self._beside: dict[str, list[str]] = defaultdict(list)
        for name in tree.images:
            self._beside[_stem(name)].append(name)

    def find(self, document: str, entry: Entry) -> tuple[Path, str]:
        """The photo, and a hint if it is not there; see `PhotoFinder.find`."""
        name = entry.get("imagePath")
        stated = name.replace("\\", "/").strip() if isinstance(name, str) else ""
        beside = self._beside.get(_stem(document), [])
        base = stated.rsplit("/", 1)[-1]
        chosen = [photo for photo in beside if len(beside) == 1 or photo.rsplit("/", 1)[-1] == base]
        if chosen:
            return self._tree.path(chosen[0]), ""
        own = PurePosixPath(document).with_suffix(PurePosixPath(base).suffix or ".jpg").name
        places = photo_places(self._tree, document)
        folder = document.rpartition("/")[0]
        for wanted, where in ((stated, [folder]), (base, [folder, *places]), (own, [folder, *places])):
            if wanted and (path := self.finder.known(wanted, where)) is not None:
                return path, ""
        path, hint = self.finder.find(own, str(self._tree.path(document)), [folder])
        held = "its `imageData` holds the photo, which `labelme_export_json` writes to a file"
        return path, held if entry.get("imageData") else hint


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix().casefold()


def _annotation(tree: Tree, document: str, photos: _Photos, tally: Tally) -> Annotation:
    entry = _object(content_of(tree, document), str(tree.path(document)))
    path, hint = photos.find(document, entry)
    file, size = tree.name(path), None
    said: list[tuple[str, Region | None]] = []
    for where, shape in entries_of(entry.get("shapes"), f"{tree.path(document)}: shapes", _ADVICE):
        if shape.get("label") == _IGNORED:
            continue
        tag = written_tag(shape.get("label"), f"{where}, `label`")
        kind = str(shape.get("shape_type") or "polygon")
        box = None if kind in _WITHOUT_AREA else _box(kind, shape)
        size = size or (size_of(path, entry.get("imageWidth"), entry.get("imageHeight")) if box else None)
        if box and kind != "rectangle":
            tally.add("region-outline", file)
        said.append((tag, region_of(tag, box, size) if box and size else None))
    if has_unplaced(said):
        tally.add("object-without-box", file)
    regions = tuple(region for _, region in said if region)
    tags = tags_of([*_flags(entry, tree.path(document)), *(tag for tag, _ in said)])
    stated = stated_size(entry.get("imageWidth"), entry.get("imageHeight"))
    return Annotation(path, tags, regions, source=document, hint=hint, stated=stated)


def _object(content: object, where: str) -> Entry:
    if isinstance(content, dict):
        return content
    raise DatasetError(f"{where}: expected an object with `shapes`, received {content!r:.60}. {_ADVICE}")


def _flags(entry: Entry, path: Path) -> Iterator[str]:
    flags = entry.get("flags")
    for name, value in (flags if isinstance(flags, dict) else {}).items():
        if value is True and name != _IGNORED:
            yield written_tag(name, f"{path}, `flags`")


def _box(kind: str, shape: Entry) -> Box | None:
    points = points_of(shape.get("points"))
    if len(points) < 2:
        return None
    if kind == "circle":
        (x, y), edge = points[0], points[1]
        radius = math.dist((x, y), edge)
        return x - radius, y - radius, 2 * radius, 2 * radius
    return box_around(points)


def _document(annotation: Annotation, name: str) -> Entry:
    size = image_size(annotation.path)
    return {
        "version": _VERSION,
        "flags": dict.fromkeys(plain_tags(annotation), True),
        "shapes": [_shape(region, size) for region in annotation.regions],
        "imagePath": name,
        "imageData": None,
        "imageHeight": size[1],
        "imageWidth": size[0],
    }


def _shape(region: Region, size: Size) -> Entry:
    left, top = region.left * size[0], region.top * size[1]
    right, bottom = left + region.width * size[0], top + region.height * size[1]
    points = [[left, top], [right, bottom]]
    return {"label": region.tag, "points": points, "group_id": None, "shape_type": "rectangle", "flags": {}}
