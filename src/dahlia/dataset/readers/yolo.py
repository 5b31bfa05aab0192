"""YOLO: a text file of boxes per image. It has regions only; tags of whole images have no YOLO form.

    data.yaml                 names: [fork, scissors]        or  classes.txt, a name per line
    images/train/a.jpg        labels/train/a.txt             or  train/images/a.jpg, train/labels/a.txt
    images/test/b.jpg         labels/test/b.txt              or  a.jpg, a.txt in one folder

The `train`, `val` and `test` of a YAML file say which photos are for what (see `yolo_splits`); without them
the names of folders do. An image for testing is of the user's own test set. Images without a label file, or
with an empty one, have no tags. The lines of label files are told in `yolo_labels`.

Source: https://docs.ultralytics.com/datasets/detect/, "Ultralytics YOLO format".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import yaml

from dahlia.dataset.readers.boxes import looks_like_pixels
from dahlia.dataset.readers.counterparts import Key, counterparts_of, folded
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.reading import Loaded, Tally
from dahlia.dataset.readers.sources import merge, tags_of
from dahlia.dataset.readers.splits import split_in, subset_of
from dahlia.dataset.readers.targets import copy_image, new_folder, unique_names
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.readers.yolo_config import Config, read_config
from dahlia.dataset.readers.yolo_files import (
    IMAGE_FOLDERS,
    LabelFiles,
    class_lists,
    descriptions,
    documents_of,
    is_description,
)
from dahlia.dataset.readers.yolo_labels import Labels
from dahlia.dataset.readers.yolo_splits import Splits, splits_of, with_lists
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.errors import DatasetError
from dahlia.files import write_text


def found_in(tree: Tree) -> list[str]:
    """The files that say what the classes are called, where there are label files."""
    return documents_of(tree, LabelFiles(tree))


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read images with label files, and the names of the classes.

    Raises:
        DatasetError: with the line: the names of the classes are missing or malformed, or a label is; or
            splits are named that cannot be told.
    """
    return _Reader(tree, documents).loaded()


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
        held_out = any(entry.subset == "test" for entry in annotations)
        layout = {"path": ".", "train": "images/train", "val": "images/train"}
        if held_out:
            layout |= {"val": "images/test", "test": "images/test"}
        content = {**layout, "names": dict(enumerate(tags))}
        write_text(staged / "data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


class _Reader:
    def __init__(self, tree: Tree, documents: Sequence[str]) -> None:
        self._tree = tree
        self._counterparts = counterparts_of(tree)
        self._files = LabelFiles(tree)
        self._labels = Labels(tree)
        self._tally = Tally()
        self._finder = PhotoFinder(tree)
        self._configs = _configs(tree, documents)

    def loaded(self) -> Loaded:
        governed: dict[str, list[str]] = {config.document: [] for _, config in self._configs}
        for photo in self._tree.images:
            if config := self._config(photo):
                governed[config.document].append(photo)
        splits = {
            config.document: splits_of(self._tree, config, governed[config.document], self._finder)
            for _, config in self._configs
        }
        known = self._known(splits)
        hints = {photo: hint for one in splits.values() for photo, hint in one.missing.items()}
        annotations = [
            self._annotation(photo, self._files.label(photo), split, hints.get(photo, ""))
            for photo, split in self._chosen(splits, known).items()
        ]
        annotations += self._without_photo(splits, known)
        layout = "YOLO"
        for _, config in self._configs:
            if splits[config.document].named:
                lists = "" if config.names_splits else "lists beside "
                layout = f"YOLO with the splits of {lists}{PurePosixPath(config.document).name}"
        notes = [note for one in splits.values() for note in one.notes]
        return Loaded(
            merge(annotations), layout, (*notes, *self._labels.notes, *self._tally.notes, *self._finder.notes)
        )

    def _known(self, splits: dict[str, Splits]) -> dict[str, Split]:
        known: dict[str, Split] = {}
        for document, one in splits.items():
            for photo, split in one.photos.items():
                before = known.setdefault(photo, split)
                if "test" in (before, split) and before != split:
                    raise DatasetError(
                        f"{self._tree.path(document)}: {photo} is in `{split}` here and in `{before}` in "
                        "another description. Keep one of the two, or set `ingest.source` to the right one."
                    )
        return known

    def _chosen(self, splits: dict[str, Splits], known: dict[str, Split]) -> dict[str, Split | None]:
        """The photos that count: those of named splits; without these, those where photos have labels."""
        labelled = {photo.rpartition("/")[0] for photo in self._tree.images if self._files.label(photo)}
        chosen: dict[str, Split | None] = dict(known)
        for photo in self._tree.images:
            if photo in known or self._is_named(photo, splits):
                continue
            folders = photo.split("/")[:-1]
            if "/".join(folders) in labelled or any(folded(one) in IMAGE_FOLDERS for one in folders):
                chosen[photo] = split_in(folders)
        return chosen

    def _without_photo(self, splits: dict[str, Splits], known: dict[str, Split]) -> Iterator[Annotation]:
        """Label files without a photo: files that are missing; validation says so."""
        by_folder = {photo.rpartition("/")[0]: split for photo, split in known.items()}
        for label in self._files.without_photo():
            photo = self._files.place_of(label)
            folders = photo.split("/")[:-1]
            if not self._is_named(label, splits):
                yield self._annotation(photo, label, split_in(folders))
            elif photo not in known and (split := by_folder.get("/".join(folders))):
                yield self._annotation(photo, label, split)

    def _annotation(self, photo: str, label: str | None, split: Split | None, hint: str = "") -> Annotation:
        regions = tuple(self._regions(label)) if label else ()
        for _ in filter(looks_like_pixels, regions):
            self._tally.add("pixel-boxes", photo)
        source = label or self._files.expected(photo)
        path = self._tree.path(photo)
        return Annotation(path, tags_of((), regions), regions, subset_of(split), source, split, hint)

    def _regions(self, label: str) -> Iterator[Region]:
        config = self._config(label)
        if config is None:
            documents = ", ".join(config.document for _, config in self._configs)
            raise DatasetError(
                f"{self._tree.path(label)}: expected the names of its classes, found {documents}, which "
                "are about other folders. Write classes.txt beside it."
            )
        return self._labels.regions(label, config.names, config.keypoints)

    def _is_named(self, name: str, splits: dict[str, Splits]) -> bool:
        """Whether a photo or a label would be in a named split, if it were in one."""
        config = self._config(name)
        return config is not None and splits[config.document].named

    def _config(self, name: str) -> Config | None:
        """What describes a file: the description of the innermost folder around it, or the only one."""
        key = self._counterparts.key(name)
        for place, config in self._configs:
            if key[: len(place)] == place:
                return config
        return self._configs[0][1] if len(self._configs) == 1 else None


def _configs(tree: Tree, documents: Sequence[str]) -> list[tuple[Key, Config]]:
    """What describes the classes, each with the folders it is about, the innermost first.

    Raises:
        DatasetError: there are none, or two that differ are about the same folder.
    """
    if not any(map(is_description, documents)):
        documents = descriptions(tree, lenient=True) or class_lists(tree)
    if not documents:
        raise DatasetError(
            f"Expected the names of the classes in {tree.root}/data.yaml or {tree.root}/classes.txt, "
            "found neither. Write classes.txt with a name per line, in the order of the numbers."
        )
    found: dict[Key, Config] = {}
    for document in documents:
        config, place = (
            with_lists(tree, read_config(tree, document)),
            counterparts_of(tree).key(document)[:-1],
        )
        other = found.setdefault(place, config)
        if (other.names, other.splits) != (config.names, config.splits):
            raise DatasetError(
                f"Expected one description of the classes, received {other.document} and {document} in "
                f"{tree.root}, which differ. Take one out, or set `ingest.source` to the right one."
            )
    return sorted(found.items(), key=lambda item: -len(item[0]))


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
