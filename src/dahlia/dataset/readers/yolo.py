"""YOLO: a text file of boxes per image. It has regions only; tags of whole images have no YOLO form.

    data.yaml                 names: [fork, scissors]        or  classes.txt, a name per line
    images/train/a.jpg        labels/train/a.txt             or  train/images/a.jpg, train/labels/a.txt
    images/test/b.jpg         labels/test/b.txt              or without such a folder: all train

A line of a label file is `class centre-x centre-y width height`, fractions of the image's size. The label
file of an image has the same path with the last `images` made `labels`. An image in a folder called `test`
is of the user's own test set. Images without a label file, or with an empty one, have no tags.

Source: https://docs.ultralytics.com/datasets/detect/, "Ultralytics YOLO format".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import yaml

from dahlia.dataset.readers.reading import Loaded
from dahlia.dataset.readers.sources import merge, number, tag_name, tags_of, text_of
from dahlia.dataset.readers.splits import split_in, subset_of
from dahlia.dataset.readers.targets import copy_image, new_folder, unique_names
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region
from dahlia.errors import DatasetError
from dahlia.files import write_text

_YAML = ("data.yaml", "data.yml", "dataset.yaml")
_LISTS = ("classes.txt", "labels/classes.txt", "obj.names")


def found_in(tree: Tree) -> list[str]:
    """`data.yaml`, or a class list where there is `labels/`."""
    names = set(tree.texts)
    described = [name for name in _YAML if name in names]
    if described or not any("labels" in name.split("/")[:-1] for name in names):
        return described
    return [name for name in _LISTS if name in names]


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read images with label files and a class list.

    Raises:
        DatasetError: with the line, for a class list that is missing, a line that is malformed, or a class
            that is not in the list.
    """
    names = _names(tree, documents)
    images = [name for name in tree.images if "images" in name.split("/")[:-1]]
    by_label = {_with_suffix(_counterpart(name, "images", "labels"), ".txt"): name for name in images}
    labels = {name for name in tree.texts_with(".txt") if _is_label(name)}
    for label in sorted(labels):
        # A label without an image is a file that is missing; validation says so.
        by_label.setdefault(label, _with_suffix(_counterpart(label, "labels", "images"), ".jpg"))
    annotations = merge(
        _annotation(tree, name, label, label in labels, names) for label, name in by_label.items()
    )
    return Loaded(annotations, "YOLO")


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Write `data.yaml`, `images/` (copies) and `labels/` into a new folder; classes are sorted by name.

    Raises:
        DatasetError: an image is missing, or has a tag without a region.
    """
    for annotation in annotations:
        _refuse_plain_tags(annotation)
    tags = sorted({tag for annotation in annotations for tag in annotation.tags})
    classes = {tag: index for index, tag in enumerate(tags)}
    files = unique_names(annotations)
    with new_folder(target) as staged:
        for annotation in annotations:
            name = Path(annotation.subset, files[annotation.path])
            copy_image(annotation.path, staged / "images" / name)
            text = "".join(_line(region, classes[region.tag]) for region in annotation.regions)
            write_text((staged / "labels" / name).with_suffix(".txt"), text)
        held_out = "images/test" if any(entry.subset == "test" for entry in annotations) else "images/train"
        layout = {"path": ".", "train": "images/train", "val": held_out, "test": held_out}
        content = {**layout, "names": dict(enumerate(tags))}
        write_text(staged / "data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _names(tree: Tree, documents: Sequence[str]) -> dict[int, str]:
    for name in documents:
        if name.endswith((".yaml", ".yml")):
            return _names_from_yaml(tree, name)
        lines = text_of(tree, name).rstrip().splitlines()
        return {index: tag_name(line, f"{tree.path(name)}:{index + 1}") for index, line in enumerate(lines)}
    raise DatasetError(
        f"Expected the names of the classes in {tree.root}/data.yaml or {tree.root}/classes.txt, "
        "found neither. Write classes.txt with a name per line, in the order of the numbers."
    )


def _names_from_yaml(tree: Tree, document: str) -> dict[int, str]:
    path = tree.path(document)
    try:
        content = yaml.safe_load(text_of(tree, document))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not YAML ({error}). Correct the line.") from error
    names = content.get("names") if isinstance(content, dict) else None
    pairs = list(names.items()) if isinstance(names, dict) else []
    if isinstance(names, list):
        pairs = list(enumerate(names))
    if not pairs or not all(type(key) is int for key, _ in pairs):
        raise DatasetError(f"{path}: expected `names: [first, second]`, received {names!r}. Fill it in.")
    return {key: tag_name(str(name), f"{path}, `names`") for key, name in pairs}


def _is_label(name: str) -> bool:
    *folders, base = name.split("/")
    return "labels" in folders and base != "classes.txt"


def _counterpart(name: str, old: str, new: str) -> str:
    *folders, base = name.split("/")
    index = len(folders) - 1 - folders[::-1].index(old)
    return "/".join([*folders[:index], new, *folders[index + 1 :], base])


def _with_suffix(name: str, suffix: str) -> str:
    return PurePosixPath(name).with_suffix(suffix).as_posix()


def _annotation(tree: Tree, name: str, label: str, is_there: bool, names: dict[int, str]) -> Annotation:
    regions = tuple(_regions(tree, label, names)) if is_there else ()
    split = split_in(name.split("/")[:-1])
    return Annotation(tree.path(name), tags_of((), regions), regions, subset_of(split), label, split)


def _regions(tree: Tree, label: str, names: dict[int, str]) -> Iterator[Region]:
    for line, text in enumerate(text_of(tree, label).splitlines(), 1):
        cells, where = text.split(), f"{tree.path(label)}:{line}"
        if not cells:
            continue
        if len(cells) != 5:
            raise DatasetError(
                f"{where}: expected `class centre-x centre-y width height`, received {len(cells)} values. "
                "Export boxes, not outlines."
            )
        kind, across, down, width, height = (number(cell, where) for cell in cells)
        if kind not in names:
            known = ", ".join(f"{key} {name}" for key, name in list(names.items())[:20])
            raise DatasetError(f"{where}: there is no class {cells[0]}; known: {known}. Correct it there.")
        yield Region(names[int(kind)], across - width / 2, down - height / 2, width, height)


def _refuse_plain_tags(annotation: Annotation) -> None:
    plain = set(annotation.tags) - {region.tag for region in annotation.regions}
    if plain:
        raise DatasetError(
            f"YOLO holds regions only; {annotation.path} has {sorted(plain)} without a region. "
            "Write `csv` or `coco` instead."
        )


def _line(region: Region, kind: int) -> str:
    centre = (region.left + region.width / 2, region.top + region.height / 2)
    return f"{kind} {centre[0]!r} {centre[1]!r} {region.width!r} {region.height!r}\n"
