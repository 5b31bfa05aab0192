"""Files that say something of photos and are in no form that is read: named, so that nobody has to guess."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from dahlia.dataset.readers.reading import Note
from dahlia.dataset.readers.sources import decoded
from dahlia.dataset.readers.splits import names_splits
from dahlia.dataset.readers.tree import Tree
from dahlia.errors import DatasetError

_MOST_FILES = 100
_MOST_BYTES = 32_000_000
_PARTS = re.compile(r"[\r\n\t,;|\"'<>]+")
_LISTS = frozenset({".txt", ".csv", ".tsv", ".json", ".jsonl"})
_SHEETS = (".xlsx", ".xls", ".ods")
_POINTER = b"version https://git-lfs"
_ARCHIVES = frozenset(
    {".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".rar", ".7z", ".zst", ".tm"}
)
_CONTAINERS = frozenset(
    {".tfrecord", ".tfrecords", ".record", ".parquet", ".arrow", ".feather", ".h5", ".hdf5", ".mat", ".npy"}
    | {".npz", ".pkl", ".pickle", ".mdb", ".lmdb", ".rec", ".pt", ".pth"}
)


@dataclass(frozen=True)
class Unread:
    """An annotation file, or one of several, that is not read though it names photos.

    Attributes:
        name: of the file.
        files: how many there are; more than one where each photo has its own.
        photos: how many photos it, or they, name.
        beside: the folders are named with the photos, or each file lies beside its photo. Then folders may
            well be the tags.
    """

    name: str
    files: int
    photos: int
    beside: bool

    def told(self, tree: Tree) -> str:
        """What it is, in words."""
        if self.files > 1:
            return f"{self.files:,} files such as {self.name} are called like photos"
        return f"{self.name} names {self.photos:,} of {len(tree.images):,} photos"


def naming_photos(tree: Tree) -> Unread | None:
    """What names at least half of the photos and was not read; of several the one that names most."""
    texts = [name for name in tree.texts if name not in tree.read and "submission" not in name.lower()]
    if not texts or not tree.images:
        return None
    photos = _Photos(tree.images)
    each = [name for name in texts if photos.called_like(name)]
    apart = set(texts) - set(each)
    found = [_in_document(tree, name, photos) for name in sorted(apart)[:_MOST_FILES]]
    if len(each) > 1:
        beside = sum(photos.beside(name) for name in each)
        found.append(Unread(each[0], len(each), len(each), 2 * beside >= len(each)))
    enough = [one for one in found if one and 2 * one.photos >= len(tree.images)]
    return max(enough, key=lambda one: (not one.beside, one.photos), default=None)


def unread_note(tree: Tree, unread: Unread) -> Note:
    """A note of a file that names photos with the folders that are read as tags."""
    verb = "is" if unread.files == 1 else "are"
    return Note("unread-list", f"{unread.told(tree)}, and {verb} not read")


def lists_of_splits(tree: Tree) -> list[str]:
    """The files that were not read and are called after splits."""
    paths = [PurePosixPath(name) for name in tree.texts if name not in tree.read]
    return [str(path) for path in paths if path.suffix.lower() in _LISTS and names_splits(path.stem)]


def hint(tree: Tree, formats: Iterable[str]) -> str:
    """What in a source explains that no tags were found there, and what to do; empty if nothing does.

    Args:
        tree: the source.
        formats: those that are read.
    """
    pointers = (name for name in tree.texts[:_MOST_FILES] if _head(tree, name).startswith(_POINTER))
    if pointer := next(pointers, None):
        return f" {pointer} is a Git LFS pointer, which stands for a file: run `git lfs pull`."
    if pointer := next((name for name in tree.litter if name.endswith(".dvc")), None):
        return f" {pointer} stands for files that DVC keeps: run `dvc pull`."
    if unread := naming_photos(tree):
        return (
            f" {unread.told(tree)}, in a form that is not read. Export one of these from the "
            f"tool: {', '.join(formats)}; or write a table with the columns file,tag."
        )
    if sheet := next((name for name in tree.litter if name.lower().endswith(_SHEETS)), None):
        return f" {sheet} is a spreadsheet, which is not read: save it as CSV."
    if packed := _with_suffixes(tree, _ARCHIVES):
        if len(packed) > 1:
            return f" {packed[0]} and {packed[1]} are archives: unpack them, each into a folder."
        where = "unpack it" if tree.is_archive else "unpack it, or set `ingest.source` to it"
        return f" {packed[0]} is an archive: {where}."
    if held := _with_suffixes(tree, _CONTAINERS):
        return f" {held[0]} is of a form that is not read. Export JPEG files in a folder per tag, or a table."
    return ""


def _with_suffixes(tree: Tree, suffixes: frozenset[str]) -> list[str]:
    return [name for name in tree.files if PurePosixPath(name.lower()).suffix in suffixes]


class _Photos:
    """How photos may be named: each way leads to one photo."""

    def __init__(self, images: Sequence[str]) -> None:
        self._paths = [PurePosixPath(name.lower()) for name in images]
        self.bases = _once(path.name for path in self._paths)
        self.stems = _once(path.stem for path in self._paths if _is_telling(path.stem))
        deep = [path for path in self._paths if len(path.parts) > 1]
        self.ends = _once("/".join(path.parts[-2:]) for path in deep)
        self.short_ends = _once("/".join(path.with_suffix("").parts[-2:]) for path in deep)
        self._called = {path.stem for path in self._paths} | {path.name for path in self._paths}
        self._full = {path.with_suffix("").as_posix() for path in self._paths}
        self._full |= {path.as_posix() for path in self._paths}

    def called_like(self, name: str) -> bool:
        """Whether a file has the name of a photo, with another suffix or one more."""
        return PurePosixPath(name.lower()).stem in self._called

    def beside(self, name: str) -> bool:
        """Whether a file that is called like a photo lies in the photo's folder."""
        return PurePosixPath(name.lower()).with_suffix("").as_posix() in self._full


def _in_document(tree: Tree, name: str, photos: _Photos) -> Unread | None:
    try:
        data = tree.peek(name, _MOST_BYTES)
    except DatasetError:
        return None
    text = decoded(data, "replace").lower()
    parts = {part.strip().replace("\\", "/") for part in _PARTS.split(text)}
    words = parts | {word for part in parts for word in part.split()}
    ends = {"/".join(word.rstrip("/").rsplit("/", 2)[-2:]) for word in words if "/" in word}
    last = {word.rpartition("/")[2].partition("?")[0] for word in words}
    found = max(len(photos.ends & ends), len(photos.short_ends & ends))
    named = max(len(photos.bases & last), len(photos.stems & last))
    return Unread(name, 1, max(found, named), 2 * found >= max(found, named))


def _once(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count == 1}


def _is_telling(stem: str) -> bool:
    """Whether a name without a suffix is none that a text has by chance."""
    has_digit = any(sign.isdecimal() for sign in stem)
    return has_digit and (len(stem) > 4 or not stem.isdecimal())


def _head(tree: Tree, name: str) -> bytes:
    try:
        return tree.head(name, len(_POINTER))
    except DatasetError:
        return b""
