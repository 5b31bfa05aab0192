"""Which photo and which annotation file belong together, where each photo has a file of its own.

Folders that only say "photos" or "annotations" do not tell one photo from another, so these belong together:

    images/train/a.jpg   labels/train/a.txt          JPEGImages/a.jpg    Annotations/a.xml
    train/images/a.jpg   train/labels/a.txt          train/a.jpg         train/a.xml
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from dahlia.dataset.readers.litter import PLAIN_FOLDERS
from dahlia.dataset.readers.tree import Tree

ANNOTATION_FOLDERS = frozenset(
    {"labels", "label", "annotations", "annotation", "annots", "anns", "xmls", "xml", "txts", "txt"}
)
_PLAIN = PLAIN_FOLDERS | ANNOTATION_FOLDERS | {"photo"}
Key = tuple[str, ...]


def folded(text: str) -> str:
    """A name without its capitals, in Unicode's composed form."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


def is_bare_annotation(name: str) -> bool:
    """Whether a file without a suffix lies in a folder of annotations."""
    *folders, base = name.split("/")
    return "." not in base and any(folded(folder) in ANNOTATION_FOLDERS for folder in folders)


class Counterparts:
    """The photos of a source, by what tells them apart beside their suffix."""

    def __init__(self, tree: Tree) -> None:
        self._folders: dict[str, Key] = {}
        self._keys: dict[str, Key] = {}
        self._photos: dict[Key, list[str]] = defaultdict(list)
        self._places: dict[Key, list[str]] = defaultdict(list)
        for name in tree.images:
            self._photos[self.key(name)].append(name)
        for folder in dict.fromkeys(name.rpartition("/")[0] for name in tree.images):
            self._places[self._telling(folder)].append(folder)

    def key(self, name: str) -> Key:
        """What a photo and the annotation file that belongs to it share."""
        key = self._keys.get(name)
        if key is None:
            folder, _, base = name.rpartition("/")
            base = unquote(base) if "%" in base else base
            key = self._keys[name] = (*self._telling(folder), folded(base.rpartition(".")[0] or base))
        return key

    def alike(self, photo: str) -> list[str]:
        """The photos that differ from one in suffix, capitals, or folders that do not tell."""
        return self._photos.get(self.key(photo), [])

    def photos(self, document: str) -> list[str]:
        """The photos of an annotation file: those right beside it, if any, else all that its name fits."""
        found = self._photos.get(self.key(document), [])
        if len(found) < 2:
            return found
        folder = document.rpartition("/")[0]
        return [name for name in found if name.rpartition("/")[0] == folder] or found

    def places(self, document: str) -> list[str]:
        """The folders in which photos of an annotation file may lie, its own first."""
        folder = document.rpartition("/")[0]
        found = self._places.get(self._telling(folder), [])
        return sorted(found, key=lambda place: place != folder)

    def _telling(self, folder: str) -> Key:
        known = self._folders.get(folder)
        if known is None:
            parts = map(folded, folder.split("/")) if folder else ()
            known = tuple(part for part in parts if part not in _PLAIN)
            self._folders[folder] = known
        return known


_OF_TREES: WeakKeyDictionary[Tree, Counterparts] = WeakKeyDictionary()


def counterparts_of(tree: Tree) -> Counterparts:
    """The counterparts of a source, which are found out once."""
    if tree not in _OF_TREES:
        _OF_TREES[tree] = Counterparts(tree)
    return _OF_TREES[tree]
