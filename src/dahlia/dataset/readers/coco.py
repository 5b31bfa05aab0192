"""COCO instances: one JSON file with `images`, `annotations` and `categories`.

`bbox` is left, top, width, height in pixels of the `width` x `height` that the JSON gives for the image.
An annotation without `bbox` tags the image as a whole, and an image may have a `subset`, `train` or
`test`; other readers pass over both. `file_name` is relative to the JSON's folder, or to that folder's
parent if it is called `annotations`; `images/` in there is looked into too.

Source: https://cocodataset.org/#format-data, section 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dahlia.config import nearest
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.reading import Loaded
from dahlia.dataset.readers.sources import (
    merge,
    number,
    tag_name,
    tags_of,
    text_of,
)
from dahlia.dataset.readers.splits import split_in, split_of_document, subset_of
from dahlia.dataset.readers.targets import image_size, plain_tags, relative_name
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.errors import DatasetError
from dahlia.files import write_json

_LISTS = ("images", "annotations", "categories")
Entry = dict[str, Any]


def found_in(tree: Tree) -> list[str]:
    """The JSON files of the COCO form."""
    keys = [f'"{name}"'.encode() for name in _LISTS]
    names = tree.texts_with(".json")
    return [name for name in names if all(key in content for content in [tree.peek(name)] for key in keys)]


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read COCO files; each may be of a split, by its name or its folder's.

    Raises:
        DatasetError: one is not JSON (with the line) or not of this form (with the entry), an id is not
            known, or a file lies outside.
    """
    if not documents:
        raise DatasetError(
            f"Expected a .json file in {tree.root}, found none that is COCO. Export it as COCO instances."
        )
    finder = PhotoFinder(tree)
    annotations = [one for name in documents for one in _document(tree, name, finder)]
    splits = {one.split for one in annotations if one.split}
    layout = "COCO, one file a split" if len(documents) > 1 and splits else "COCO"
    return Loaded(merge(annotations), layout, finder.notes)


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Write a COCO file; ids count from 1 in the given order, categories are sorted by name.

    Raises:
        DatasetError: an image is missing, unreadable, or outside the folder of the file.
    """
    tags = sorted({tag for annotation in annotations for tag in annotation.tags})
    ids = {tag: index for index, tag in enumerate(tags, 1)}
    images: list[Entry] = []
    entries: list[Entry] = []
    for number_, annotation in enumerate(annotations, 1):
        width, height = image_size(annotation.path)
        name = relative_name(annotation.path, _root(target))
        images.append({"id": number_, "file_name": name, "width": width, "height": height})
        if annotation.subset == "test":
            images[-1]["subset"] = "test"
        for entry in _entries(annotation, ids, width, height):
            entries.append({"id": len(entries) + 1, "image_id": number_, **entry})
    categories = [{"id": ids[tag], "name": tag} for tag in tags]
    write_json(target, {"images": images, "annotations": entries, "categories": categories})


def _document(tree: Tree, document: str, finder: PhotoFinder) -> Iterator[Annotation]:
    path = tree.path(document)
    images, annotations, categories = _parse(tree, document)
    names = {
        _id(entry, "id", where): tag_name(str(entry.get("name", "")), where) for where, entry in categories
    }
    known = {_id(entry, "id", where): (where, entry) for where, entry in images}
    if len(known) < len(images):
        raise DatasetError(f"{path}: expected an `id` of its own for each image, received repeated ones.")
    said: dict[int | str, list[tuple[str, Region | None]]] = {key: [] for key in known}
    for where, entry in annotations:
        image = _known(_id(entry, "image_id", where), known, f"{where}, `image_id`")
        tag = names[_known(_id(entry, "category_id", where), names, f"{where}, `category_id`")]
        said[image].append((tag, _region(entry, tag, *known[image], where)))
    folders = document.split("/")
    split = split_of_document(folders[-1]) or split_in(folders[:-1])
    places = _places(folders[:-1])
    for key in known:
        yield _annotation(document, places, split, finder, *known[key], said[key])


def _parse(tree: Tree, name: str) -> list[list[tuple[str, Entry]]]:
    path = tree.path(name)
    try:
        document = json.loads(text_of(tree, name))
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{path}:{error.lineno}: not JSON ({error.msg}). Export the file again."
        ) from error
    except (RecursionError, ValueError) as error:
        raise DatasetError(f"{path}: not JSON that can be read ({error}). Export the file again.") from error
    keys = list(document) if isinstance(document, dict) else []
    missing = [name for name in _LISTS if name not in keys]
    if missing:
        raise DatasetError(
            f"{path}: expected the lists {', '.join(_LISTS)}, found {', '.join(map(str, keys)) or 'none'}. "
            "Export it as COCO instances."
        )
    return [_entries_of(document[name], f"{path}: {name}") for name in _LISTS]


def _entries_of(value: object, where: str) -> list[tuple[str, Entry]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise DatasetError(f"{where}: expected a list of objects. Export it as COCO instances.")
    return [(f"{where}[{index}]", entry) for index, entry in enumerate(value)]


def _id(entry: Entry, key: str, where: str) -> int | str:
    value = entry.get(key)
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    raise DatasetError(f"{where}: expected a whole number as `{key}`, received {value!r}. Correct it there.")


def _known(key: int | str, known: dict[Any, Any], where: str) -> int | str:
    if key not in known:
        ids = [str(name) for name in list(known)[:20]]
        raise DatasetError(f"{where}: there is no {key!r}{nearest(str(key), ids)}")
    return key


def _region(entry: Entry, tag: str, image_where: str, image: Entry, where: str) -> Region | None:
    box = entry.get("bbox")
    if not box:
        return None
    if not isinstance(box, list) or len(box) != 4:
        raise DatasetError(f"{where}: expected four numbers as `bbox`, received {box!r}. Correct it there.")
    left, top, across, down = (number(value, f"{where}, `bbox`") for value in box)
    width, height = (number(image.get(key), f"{image_where}, `{key}`") for key in ("width", "height"))
    if width <= 0 or height <= 0:
        raise DatasetError(
            f"{image_where}: expected the image's size, received {width}x{height}. Fill it in."
        )
    return Region(tag, left / width, top / height, across / width, down / height)


def _places(folders: list[str]) -> list[str]:
    """Where images may lie: beside the file or the `annotations/` that it is in, or in `images/` there."""
    base = "/".join(folders[:-1] if folders and folders[-1] == "annotations" else folders)
    return [base, f"{base}/images".lstrip("/")]


def _annotation(
    document: str,
    places: Sequence[str],
    split: Split | None,
    finder: PhotoFinder,
    where: str,
    entry: Entry,
    said: list[tuple[str, Region | None]],
) -> Annotation:
    name = entry.get("file_name")
    if not isinstance(name, str):
        raise DatasetError(f"{where}: expected text as `file_name`, received {name!r}. Correct it there.")
    path, hint = finder.find(name, where, places)
    own: Split | None = entry["subset"] if entry.get("subset") in ("train", "test") else split
    return Annotation(
        path=path,
        tags=tags_of(tag for tag, _ in said),
        regions=tuple(region for _, region in said if region),
        subset=subset_of(own),
        source=document,
        split=own,
        hint=hint,
    )


def _entries(annotation: Annotation, ids: dict[str, int], width: int, height: int) -> Iterator[Entry]:
    for tag in plain_tags(annotation):
        yield {"category_id": ids[tag], "iscrowd": 0}
    for region in annotation.regions:
        across, down = region.width * width, region.height * height
        box = [region.left * width, region.top * height, across, down]
        yield {"category_id": ids[region.tag], "bbox": box, "area": across * down, "iscrowd": 0}


def _root(path: Path) -> Path:
    folder = path.parent.resolve()
    return folder.parent if folder.name == "annotations" else folder
