"""Which files of a source are YOLO's: label files, descriptions, and lists of classes."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from pathlib import PurePosixPath

from dahlia.dataset.readers import folder
from dahlia.dataset.readers.counterparts import Key, counterparts_of, folded
from dahlia.dataset.readers.sources import lines_of, text_of
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.readers.yolo_config import YAML_SUFFIXES, describes, is_class_list
from dahlia.dataset.readers.yolo_labels import cells_of
from dahlia.errors import DatasetError

_PEEKED = 20  # label files, in search of one that is not empty
_DEEPEST = 3  # folders in which a description may lie
IMAGE_FOLDERS = frozenset({"images", "jpegimages"})  # in which trainers look for photos
_HEAD = 256  # bytes
_LABEL_FOLDERS = frozenset({"labels", "label"})
_OTHER_FORMATS = (".json", ".xml", ".csv", ".tsv")


class LabelFiles:
    """The text files that may be of one photo each."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._counterparts = counterparts = counterparts_of(tree)
        self._by_key: dict[Key, list[str]] = defaultdict(list)
        texts = (name for name in tree.texts if name.lower().endswith(".txt") and not is_class_list(name))
        for name in texts:
            self._by_key[counterparts.key(name)].append(name)
        self.of_photos = [
            name for names in self._by_key.values() for name in names if counterparts.photos(name)
        ]

    def label(self, photo: str) -> str | None:
        """The label file of a photo: in `labels/` rather than beside it, where there are several.

        A label file that fits another photo better, as `A.txt` fits `A.jpg`, is not that of `a.jpg`.
        """
        found = self._by_key.get(self._counterparts.key(photo), [])
        alike = self._counterparts.alike(photo)
        if len(alike) > 1:
            found = [name for name in found if _fit(photo, name) == max(_fit(one, name) for one in alike)]
        if len(found) < 2:
            return found[0] if found else None
        return max(found, key=lambda name: (*_fit(photo, name), in_label_folder(name), name))

    def expected(self, photo: str) -> str:
        """Where the label file of a photo would lie."""
        *folders, base = photo.split("/")
        last = max((place for place, part in enumerate(folders) if folded(part) == "images"), default=-1)
        parts = ("labels" if place == last else part for place, part in enumerate(folders))
        return "/".join((*parts, f"{PurePosixPath(base).stem}.txt"))

    def without_photo(self) -> list[str]:
        """Those in `labels/` of which the photo is not there."""
        return sorted(
            name
            for names in self._by_key.values()
            for name in names
            if in_label_folder(name) and not self._counterparts.photos(name) and self._begins_as_label(name)
        )

    def place_of(self, label: str) -> str:
        """Where the photo of a label file would lie."""
        places = self._counterparts.places(label)
        if places:
            home = places[0]
        else:
            parts = label.split("/")[:-1]
            home = "/".join("images" if folded(part) in _LABEL_FOLDERS else part for part in parts)
        return f"{home}/{PurePosixPath(label).stem}.jpg".lstrip("/")

    def in_folders(self) -> bool:
        """Whether there are label files in folders that are called `labels`."""
        if any(map(in_label_folder, self.of_photos)):
            return True
        return self._boxes([name for name in self.without_photo() if self._tree.document is None])

    def beside_photos(self) -> bool:
        """Whether text files beside photos hold boxes."""
        return self._boxes(self.of_photos)

    def _begins_as_label(self, name: str) -> bool:
        text = self._tree.head(name, _HEAD).decode(errors="replace").lstrip("\ufeff").strip()
        cells = cells_of(lines_of(text)[0]) if text else []
        return not cells or _is_number(cells[0])

    def _boxes(self, names: list[str]) -> bool:
        for name in islice(names, _PEEKED):
            try:
                text = text_of(self._tree, name, read=False)
            except DatasetError:
                return False
            for cells in map(cells_of, lines_of(text)):
                if cells:
                    return len(cells) > 4 and all(map(_is_number, cells))
        return False


def in_label_folder(name: str) -> bool:
    """Whether a file lies in a folder that is called `labels`, at any depth."""
    return any(folded(part) in _LABEL_FOLDERS for part in name.split("/")[:-1])


def documents_of(tree: Tree, files: LabelFiles) -> list[str]:
    """Descriptions, else lists of classes; else a label file, where only names of classes are missing.

    Empty where the source is of another format: a YAML file or a list of classes beside tag folders is none.
    """
    tagged = folder.has_tags(tree)
    in_folders = files.in_folders()
    labelled = in_folders or files.beside_photos()
    if not labelled and (tagged or tree.texts_with(*_OTHER_FORMATS)):
        return []
    if described := descriptions(tree, lenient=labelled or not tagged):
        return described
    if not labelled:
        return []
    nameless = in_folders or not tagged
    return class_lists(tree) or (files.of_photos or files.without_photo())[: int(nameless)]


def descriptions(tree: Tree, *, lenient: bool) -> list[str]:
    """The YAML files that describe a dataset, else darknet's `.data`."""
    if tree.document is not None and tree.document.lower().endswith(YAML_SUFFIXES):
        return [tree.document]
    for suffixes in (YAML_SUFFIXES, (".data",)):
        near = (name for name in tree.texts_with(*suffixes) if name.count("/") <= _DEEPEST)
        if found := [name for name in near if describes(tree, name, lenient=lenient)]:
            return found
    return []


def class_lists(tree: Tree) -> list[str]:
    """The lists of classes."""
    return [name for name in tree.texts_with(".txt", ".names", ".labels") if is_class_list(name)]


def is_description(name: str) -> bool:
    """Whether a file, by its name, may say what classes are called."""
    return name.lower().endswith((*YAML_SUFFIXES, ".data")) or is_class_list(name)


def _fit(photo: str, label: str) -> tuple[bool, bool, bool]:
    """How well a label file fits a photo: the name as it is spelt, the folders, or the same folder."""
    same = photo.rpartition("/")[0] == label.rpartition("/")[0]
    spelt = photo.rpartition("/")[2].rpartition(".")[0] == label.rpartition("/")[2].rpartition(".")[0]
    return spelt, _alike(photo, label) and not same, same


def _alike(photo: str, label: str) -> bool:
    """Whether only `images` is made `labels`."""
    pairs = zip(photo.split("/")[:-1], label.split("/")[:-1], strict=False)
    return photo.count("/") == label.count("/") and all(
        one == other or (folded(one) in IMAGE_FOLDERS and folded(other) in _LABEL_FOLDERS)
        for one, other in pairs
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
