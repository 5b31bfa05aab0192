"""Create ML: a JSON file with a list of photos.

    [{"image": "a.jpg", "annotations": [{"label": "fork", "coordinates": {"x": 20, "y": 15, "width": 10,
      "height": 8}}]}]                                    x and y are the middle of the box, in pixels
    [{"image": "a.jpg", "label": "fork"}, {"imagefilename": "b.jpg", "annotations": ["fork", "spoon"]}]

Photos lie beside the file, or in `images/` there. A file is of the split that its name says, else its
folder's: `train/_annotations.createml.json`. A label without coordinates tags the photo as a whole. A photo
may have a `subset`, `train` or `test`, and a `group` that it is in (see `dahlia.dataset.groups`); other
readers pass over them.

Source: https://developer.apple.com/documentation/createml/building-an-object-detector-data-source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dahlia.dataset.groups import group_name
from dahlia.dataset.readers.boxes import Size, region_of, size_of, stated_size
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.json_documents import (
    IMAGE_KEYS,
    Entry,
    content_of,
    documents_of,
    entries_of,
    none_found,
)
from dahlia.dataset.readers.reading import Loaded
from dahlia.dataset.readers.sources import merge, number, tags_of, with_splits, without_repeats, written_tag
from dahlia.dataset.readers.splits import photo_places, split_of, splits_of_documents, subset_of
from dahlia.dataset.readers.targets import image_size, plain_tags, relative_name, source_root
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.errors import DatasetError
from dahlia.files import write_json

_ADVICE = "Export it as Create ML JSON."
_SIDES = ("x", "y", "width", "height")
_LABELS = ("annotations", "annotation", "labels", "label")


def found_in(tree: Tree) -> list[str]:
    """The JSON files of Create ML's form."""
    return documents_of(tree, "createml")


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read Create ML files; each may be of a split.

    Raises:
        DatasetError: one is not JSON (with the line) or not of this form (with the entry), or names a file
            outside.
    """
    if not documents:
        raise none_found(tree, "createml", _ADVICE)
    finder, splits = PhotoFinder(tree), splits_of_documents(tree, documents)
    parts = [list(_document(tree, name, splits[name], finder)) for name in documents]
    split = len(documents) > 1 and any(splits.values())
    layout = "Create ML, one file a split" if split else "Create ML"
    annotations = with_splits(tree.root, merge(without_repeats(parts)))
    return Loaded(annotations, layout, finder.notes)


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Write a Create ML file.

    Raises:
        DatasetError: an image is missing, unreadable, or outside the folder of the file.
    """
    write_json(target, [_entry(annotation, source_root(target)) for annotation in annotations])


def _document(tree: Tree, document: str, split: Split | None, finder: PhotoFinder) -> Iterator[Annotation]:
    places = photo_places(tree, document, split)
    for where, entry in entries_of(content_of(tree, document), str(tree.path(document)), _ADVICE):
        keys = {str(key).lower(): value for key, value in entry.items()}
        path, hint = finder.find(_name(keys, where), where, places)
        said = list(_said(keys, where))
        boxed = any(coordinates for _, coordinates, _ in said)
        size = size_of(path, keys.get("width"), keys.get("height")) if boxed else None
        own = _own_split(keys, split)
        yield Annotation(
            path=path,
            tags=tags_of(tag for tag, _, _ in said),
            regions=tuple(_regions(said, size)),
            subset=subset_of(own),
            source=document,
            split=own,
            hint=hint,
            group=group_name(keys.get("group"), f"{where}, `group`"),
            stated=stated_size(keys.get("width"), keys.get("height")),
        )


def _name(keys: Entry, where: str) -> str:
    name = next((keys[key] for key in IMAGE_KEYS if key in keys), None)
    if not isinstance(name, str):
        raise DatasetError(f"{where}: expected a file's name as `image`, received {name!r:.60}. Fill it in.")
    return name


def _own_split(keys: Entry, split: Split | None) -> Split | None:
    said = keys.get("subset")
    return (split_of(said) if isinstance(said, str) else None) or split


def _said(keys: Entry, where: str) -> Iterator[tuple[str, Entry | None, str]]:
    """Each tag, with its coordinates if it has any, and its place."""
    for key in _LABELS:
        value = keys.get(key)
        values: list[Any] = value if isinstance(value, list) else [] if value is None else [value]
        for index, one in enumerate(values):
            place = f"{where}, `{key}`[{index}]"
            if not isinstance(one, dict):
                yield written_tag(one, place), None, place
                continue
            coordinates = one.get("coordinates")
            if coordinates is not None and not isinstance(coordinates, dict):
                raise DatasetError(
                    f"{place}: expected `coordinates` with {', '.join(_SIDES)}, received "
                    f"{coordinates!r:.60}. Correct it there."
                )
            yield written_tag(one.get("label"), place), coordinates or None, place


def _regions(said: Sequence[tuple[str, Entry | None, str]], size: Size | None) -> Iterator[Region]:
    for tag, coordinates, where in said:
        if coordinates:
            x, y, width, height = (number(coordinates.get(side), f"{where}, `{side}`") for side in _SIDES)
            if size is not None:
                yield region_of(tag, (x - width / 2, y - height / 2, width, height), size)


def _entry(annotation: Annotation, root: Path) -> Entry:
    width, height = image_size(annotation.path)
    labels: list[Entry] = [{"label": tag} for tag in plain_tags(annotation)]
    for region in annotation.regions:
        coordinates = {
            "x": (region.left + region.width / 2) * width,
            "y": (region.top + region.height / 2) * height,
            "width": region.width * width,
            "height": region.height * height,
        }
        labels.append({"label": region.tag, "coordinates": coordinates})
    entry: Entry = {"image": relative_name(annotation.path, root), "annotations": labels}
    if annotation.subset == "test":
        entry["subset"] = "test"
    if annotation.group:
        entry["group"] = annotation.group
    return entry
