"""Which photo the `filename` of an XML file means: tools write it without suffix, or keep an old name."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

from dahlia.dataset.readers.counterparts import ANNOTATION_FOLDERS, counterparts_of, folded
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.litter import IMAGE_SUFFIXES
from dahlia.dataset.readers.reading import Note, counted
from dahlia.dataset.readers.tree import Tree
from dahlia.errors import DatasetError

_SUFFIXES = IMAGE_SUFFIXES | {".xml"}


class Photos:
    """Finds the photos of XML files.

    Args:
        tree: the source.
        documents: all XML files, so that a photo with one of its own is not taken for another's.
    """

    def __init__(self, tree: Tree, documents: Sequence[str]) -> None:
        self._tree = tree
        self._finder = PhotoFinder(tree)
        self._counterparts = counterparts_of(tree)
        self._files = frozenset(tree.files)
        self._taken = {self._counterparts.key(name) for name in documents}
        self._renamed: dict[str, tuple[str, str]] = {}

    def find(self, document: str, written: str) -> tuple[Path, str]:
        """The photo of an XML file, and a hint if it is not there.

        It is the one that is written; but the one that is called like the XML file, where nothing is written,
        where the written one is not there, or where that has an XML file of its own.

        Raises:
            DatasetError: nothing is written or it leads out of the source, and none is called like the file.
        """
        written, own = written.strip(), self._own(document)
        if own and not written:
            return self._tree.path(own), ""
        places = self._places(document)
        named = self._exact(written, places)
        if named is None and own and _stem(written) == _stem(document):
            self._finder.remember(written, own)
            return self._tree.path(own), ""
        path, hint = self._tree.path(named or ""), ""
        if named is None:
            path, hint = self._loosely(document, written, places, needed=own is None)
            named = self._tree.name(path)
        if own in (None, named) or self._is_free(named):
            return path, hint
        self._renamed[document] = (written, own or "")
        return self._tree.path(own or ""), ""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was not written as the files are called."""
        if not self._renamed:
            return self._finder.notes
        written, meant = next(iter(self._renamed.values()))
        files = counted(
            len(self._renamed),
            "XML file that does not name its photo",
            "XML files that do not name their photos",
        )
        found = f"{files}, such as {written!r:.200} for {meant!r:.200}"
        return (
            *self._finder.notes,
            Note("renamed-photo", found, tuple(sorted({own for _, own in self._renamed.values()}))),
        )

    def _own(self, document: str) -> str | None:
        found = self._counterparts.photos(document)
        return found[0] if len(found) == 1 else None

    def _exact(self, written: str, places: list[str]) -> str | None:
        names = (posixpath.join(place, written) for place in places)
        return next((name for name in names if name in self._files), None)

    def _loosely(self, document: str, written: str, places: list[str], *, needed: bool) -> tuple[Path, str]:
        try:
            return self._finder.find(written, f"{self._tree.root}/{document}, `filename`", places)
        except DatasetError:
            if needed:
                raise
            return self._tree.root, ""

    def _is_free(self, named: str) -> bool:
        """Whether a photo is there, and no XML file is called like it."""
        return named in self._files and self._counterparts.key(named) not in self._taken

    def _places(self, document: str) -> list[str]:
        if places := self._counterparts.places(document):
            return places
        *folders, last = ["", *document.split("/")[:-1]]
        return ["/".join(filter(None, folders if folded(last) in ANNOTATION_FOLDERS else [*folders, last]))]


def _stem(name: str) -> str:
    base = name.replace("\\", "/").rpartition("/")[2]
    stem, _, suffix = base.rpartition(".")
    return folded(stem if f".{suffix.lower()}" in _SUFFIXES else base)
