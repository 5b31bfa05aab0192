"""COCO instances: JSON files with `images`, `annotations` and `categories`.

    photos/instances.json            file_name relative to the file, or to `images/` beside it
    annotations/instances_train2017.json, instances_val2017.json    train2017/, val2017/ or images/train2017/
    train/_annotations.coco.json, valid/..., test/...               photos beside each file

A file is of the split that its name says, else its folder's. `bbox` is left, top, width, height in pixels of
the `width` x `height` that the file gives for the image; where it gives none, of the photo's own. Without
`bbox`, the box around `segmentation` is taken; without both, the annotation tags the image as a whole, as do
those with `iscrowd`, whose box is around a group. An image may have a `subset`, `train` or `test`, and a
`group` that it is in (see `dahlia.dataset.groups`); other readers pass over them.

Source: https://cocodataset.org/#format-data, section 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dahlia.config import nearest
from dahlia.dataset.groups import group_name
from dahlia.dataset.readers.boxes import (
    Box,
    Size,
    box_of_segmentation,
    has_unplaced,
    region_of,
    size_of,
    stated_size,
)
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.json_documents import Entry, content_of, documents_of, entries_of, none_found
from dahlia.dataset.readers.reading import Loaded, Tally
from dahlia.dataset.readers.sources import merge, number, tags_of, with_splits, without_repeats, written_tag
from dahlia.dataset.readers.splits import photo_places, split_of, splits_of_documents, subset_of
from dahlia.dataset.readers.targets import image_size, objects_of, relative_name, source_root
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.errors import DatasetError
from dahlia.files import write_json

_LISTS = ("images", "annotations", "categories")
_ADVICE = "Export it as COCO instances."
_OTHER_TASKS = ("person_keypoints", "stuff", "panoptic", "captions", "image_info")
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
Id = int | str


def found_in(tree: Tree) -> list[str]:
    """The JSON files of the COCO form; of those of the COCO dataset itself, the instances."""
    documents = documents_of(tree, "coco")
    if any(_base(name).startswith("instances") for name in documents):
        return [name for name in documents if not _base(name).startswith(_OTHER_TASKS)]
    return documents


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read COCO files; each may be of a split, by its name or its folder's.

    Raises:
        DatasetError: one is not JSON (with the line) or not of this form (with the entry), an id is not
            known or has two meanings, or a file lies outside.
    """
    if not documents:
        raise none_found(tree, "coco", _ADVICE)
    finder, tally = PhotoFinder(tree), Tally()
    splits = splits_of_documents(tree, documents)
    parts = [list(_document(tree, name, splits[name], finder, tally)) for name in documents]
    annotations = with_splits(tree.root, merge(without_repeats(parts)))
    layout = "COCO"
    if len(documents) > 1:
        layout = "COCO, one file a split" if any(splits.values()) else f"COCO, {len(documents)} files"
    return Loaded(annotations, layout, (*finder.notes, *tally.notes))


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
        name = relative_name(annotation.path, source_root(target))
        images.append({"id": number_, "file_name": name, "width": width, "height": height})
        if annotation.subset == "test":
            images[-1]["subset"] = "test"
        if annotation.group:
            images[-1]["group"] = annotation.group
        for entry in _entries(annotation, ids, width, height):
            entries.append({"id": len(entries) + 1, "image_id": number_, **entry})
    categories = [{"id": ids[tag], "name": tag} for tag in tags]
    write_json(target, {"images": images, "annotations": entries, "categories": categories})


@dataclass
class _Photo:
    """An entry of `images`, and what annotations say of it."""

    where: str
    entry: Entry
    path: Path
    hint: str
    said: list[tuple[str, Region | None]] = field(default_factory=list)

    @cached_property
    def size(self) -> Size | None:
        return size_of(self.path, self.entry.get("width"), self.entry.get("height"))


def _document(
    tree: Tree, document: str, split: Split | None, finder: PhotoFinder, tally: Tally
) -> Iterator[Annotation]:
    images, annotations, categories = _lists(tree, document)
    places = photo_places(tree, document, split)
    names = _names(categories)
    photos = _photos(images, finder, places)
    for where, entry in annotations:
        photo = photos[_known(_id(entry, "image_id", where), photos, f"{where}, `image_id`")]
        if entry.get("category_id") is None:
            tally.add("annotation-without-tag", tree.name(photo.path))
            continue
        tag = names[_known(_id(entry, "category_id", where), names, f"{where}, `category_id`")]
        region, code = _region(entry, tag, photo, where)
        if code:
            tally.add(code, tree.name(photo.path))
        photo.said.append((tag, region))
    for photo in photos.values():
        if has_unplaced(photo.said):
            tally.add("object-without-box", tree.name(photo.path))
        yield _annotation(photo, document, split)


def _lists(tree: Tree, name: str) -> list[list[tuple[str, Entry]]]:
    path, content = tree.path(name), content_of(tree, name)
    keys = list(content) if isinstance(content, dict) else []
    missing = [name for name in _LISTS if name not in keys]
    if missing:
        raise DatasetError(
            f"{path}: expected the lists {', '.join(_LISTS)}, found "
            f"{', '.join(map(str, keys[:20])) or 'none'}. {_ADVICE}"
        )
    return [entries_of(content[name], f"{path}: {name}", _ADVICE) for name in _LISTS]


def _names(categories: Sequence[tuple[str, Entry]]) -> dict[Id, str]:
    names: dict[Id, str] = {}
    for where, entry in categories:
        key, name = _id(entry, "id", where), written_tag(entry.get("name"), where)
        if names.setdefault(key, name) != name:
            raise DatasetError(
                f"{where}: expected one name for the category {key!r:.60}, received “{names[key]}” and "
                f"“{name}”. Give each category an id of its own."
            )
    return names


def _photos(
    images: Sequence[tuple[str, Entry]], finder: PhotoFinder, places: Sequence[str]
) -> dict[Id, _Photo]:
    photos: dict[Id, _Photo] = {}
    for where, entry in images:
        key, name = _id(entry, "id", where), entry.get("file_name")
        if not isinstance(name, str):
            raise DatasetError(
                f"{where}: expected text as `file_name`, received {name!r:.60}. Correct it there."
            )
        if key not in photos:
            photos[key] = _Photo(where, entry, *finder.find(name, where, places))
        elif (other := photos[key].entry["file_name"]) != name:
            raise DatasetError(
                f"{where}: expected an `id` of its own for each image, received {key!r:.60} for "
                f"{other!r:.200} and {name!r:.200}. Export the file again."
            )
    return photos


def _id(entry: Entry, key: str, where: str) -> Id:
    """An id, which some tools write as text or with a decimal point."""
    value = entry.get(key)
    if isinstance(value, str) and value.strip():
        text = value.strip()
        return int(text) if _WHOLE.fullmatch(text) else text
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise DatasetError(
        f"{where}: expected a whole number as `{key}`, received {value!r:.60}. Correct it there."
    )


def _known(key: Id, known: dict[Id, Any], where: str) -> Id:
    if key in known:
        return key
    ids = [str(name) for name in list(known)[:20]]
    raise DatasetError(
        f"{where}: there is no {key!r:.60}{nearest(str(key), ids) if ids else '; the list is empty.'}"
    )


def _region(entry: Entry, tag: str, photo: _Photo, where: str) -> tuple[Region | None, str]:
    """The region, if there is one, and the code of what there is to tell of it, or nothing."""
    box, code = _box(entry, where), ""
    if box is None or not (box[2] and box[3]):
        outline = box_of_segmentation(entry.get("segmentation"))
        box, code = (outline, "region-outline") if outline else (box, "")
    if box is None or photo.size is None:
        return None, ""
    if entry.get("iscrowd") in (1, "1"):
        return None, "crowd-box"
    return region_of(tag, box, photo.size), code


def _box(entry: Entry, where: str) -> Box | None:
    box = entry.get("bbox")
    if not box:
        return None
    if not isinstance(box, list) or len(box) != 4:
        raise DatasetError(
            f"{where}: expected four numbers as `bbox`, received {box!r:.60}. Correct it there."
        )
    left, top, width, height = (number(value, f"{where}, `bbox`") for value in box)
    return left, top, width, height


def _annotation(photo: _Photo, document: str, split: Split | None) -> Annotation:
    said = [text for key in ("subset", "split") if isinstance(text := photo.entry.get(key), str)]
    own = next((found for text in said if (found := split_of(text))), split)
    return Annotation(
        path=photo.path,
        tags=tags_of(tag for tag, _ in photo.said),
        regions=tuple(region for _, region in photo.said if region),
        subset=subset_of(own),
        source=document,
        split=own,
        hint=photo.hint,
        group=group_name(photo.entry.get("group"), f"{photo.where}, `group`"),
        stated=stated_size(photo.entry.get("width"), photo.entry.get("height")),
    )


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _entries(annotation: Annotation, ids: dict[str, int], width: int, height: int) -> Iterator[Entry]:
    for tag, region in objects_of(annotation):
        if region is None:
            yield {"category_id": ids[tag], "iscrowd": 0}
            continue
        across, down = region.width * width, region.height * height
        box = [region.left * width, region.top * height, across, down]
        yield {"category_id": ids[region.tag], "bbox": box, "area": across * down, "iscrowd": 0}
