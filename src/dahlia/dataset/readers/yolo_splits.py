"""Which photos the `train`, `val` and `test` of a YOLO dataset name, however these are written.

Each is a folder, several, or a text file of paths. They are relative to the file that names them, to its
`path`, or to where it once lay (`../train/images`); or they are paths of another machine, of which the end
is found here. A photo that is named for testing is never trained on, and one that nothing names is set aside.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from dahlia.dataset.photo_files import is_there
from dahlia.dataset.readers.counterparts import folded
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.litter import IMAGE_SUFFIXES
from dahlia.dataset.readers.reading import Note, counted
from dahlia.dataset.readers.sources import lines_of, text_of
from dahlia.dataset.readers.splits import split_in, split_of
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.readers.yolo_config import Config
from dahlia.dataset.records import Split
from dahlia.errors import DatasetError

_BY_NAME = 1_000  # more than folders can be deep: a photo that a list names is meant more than any folder
_HEAD = 4096  # bytes
_KEYS: dict[Split, str] = {"train": "train", "valid": "val", "test": "test"}
_AWAY = re.compile(r"^(?:[A-Za-z]:)?(?:/|(?:\.{1,2}|~)(?:/|$))*")


@dataclass
class Splits:
    """The photos of each split of a description.

    Attributes:
        photos: the split of each photo; without those that nothing names.
        missing: photos that are listed, and are not there, with a hint as of `PhotoFinder`.
        notes: what there is to tell.
        named: whether photos for training are named; else all that are not named otherwise are.
    """

    photos: dict[str, Split] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    named: bool = False


def with_lists(tree: Tree, config: Config) -> Config:
    """A description that names no splits, with the lists of photos beside it: `train.txt`, `test.txt`."""
    if config.splits:
        return config
    home = config.document.rpartition("/")[0]
    found: dict[Split, tuple[str, ...]] = {}
    for name in tree.texts:
        folder, _, base = name.rpartition("/")
        split = split_of(base[:-4]) if base.lower().endswith(".txt") and folder in ("", home) else None
        if split and _lists_photos(tree, name):
            found[split] = (*found.get(split, ()), name)
    return replace(config, splits=found, names_splits=False)


def splits_of(tree: Tree, config: Config, photos: Sequence[str], finder: PhotoFinder) -> Splits:
    """The splits that a description names.

    Args:
        tree: the source.
        config: the description.
        photos: all that it is about.
        finder: finds photos that lists name.

    Raises:
        DatasetError: training photos are named that are not there; or a photo is named both for training and
            for testing.
    """
    splits = Splits()
    claims: dict[str, dict[Split, int]] = defaultdict(dict)
    places, lists = _Places(tree, config), _Lists(tree, config, finder, splits.missing)
    gone: list[tuple[Split, str]] = []
    for split, entries in config.splits.items():
        for written in entries:
            place = places.find(written)
            if place is None:
                gone.append((split, written))
                continue
            found, depth = _photos(tree, lists, place)
            for photo in found:
                claims[photo][split] = max(depth, claims[photo].get(split, 0))
    splits.notes = _gone(tree, config, photos, claims, gone)
    if claims:
        splits.named = "train" in config.splits
        splits.notes += _decide(tree, config, claims, splits)
    return splits


class _Places:
    """Finds what a description names among the folders and text files of its source."""

    def __init__(self, tree: Tree, config: Config) -> None:
        self._root = str(tree.root)
        self._home = config.document.rpartition("/")[0]
        self._path = _slashes(config.path)
        texts = (name for name in tree.texts if name.lower().endswith(".txt"))
        listed = any(
            _slashes(one).lower().endswith(".txt") for each in config.splits.values() for one in each
        )
        self._known = [*tree.folders, *(texts if listed else ())]
        self._exact = set(self._known)
        self._indices: dict[Callable[[str], str], dict[tuple[str, ...], list[str]]] = {}

    def find(self, written: str) -> str | None:
        """The folder or the text file that is meant; None where there is none, or where several may be."""
        text = _slashes(written)
        for base in (posixpath.join(self._home, self._path), self._home, ""):
            path = posixpath.normpath(posixpath.join(self._root, base, text))
            name = "" if path == self._root else path.removeprefix(f"{self._root}/")
            if name in self._exact:
                return name
        whole = text if _is_absolute(text) else f"{self._path}/{text}"
        parts = [part for part in _AWAY.sub("", whole).split("/") if part not in ("", ".", "..", "~")]
        for fold in (folded, _by_split):
            if place := self._by_tail([fold(part) for part in parts], parts, fold):
                return place
        return None

    def _index(self, fold: Callable[[str], str]) -> dict[tuple[str, ...], list[str]]:
        if fold not in self._indices:
            index = self._indices[fold] = defaultdict(list)
            for name in filter(None, self._known):
                keys = tuple(map(fold, name.split("/")))
                for start in range(len(keys)):
                    index[keys[start:]].append(name)
        return self._indices[fold]

    def _by_tail(self, wanted: list[str], parts: list[str], fold: Callable[[str], str]) -> str | None:
        index = self._index(fold)
        home = self._home.count("/") + 1 if self._home else 0
        for tail in _tails(wanted, parts):
            found = index.get(tail, [])
            below = [name for name in found if name.startswith(f"{self._home}/".lstrip("/"))]
            near = [name for name in below if name.count("/") + 1 == home + len(tail)]
            for candidates in (near, below, found):
                if len(candidates) == 1:
                    return candidates[0]
        return None


def _tails(wanted: list[str], parts: list[str]) -> Iterator[tuple[str, ...]]:
    """Ends of a path, the longest first, each also with its last two parts the other way round.

    None is without the part that says which split is meant.
    """
    telling = max((place for place, part in enumerate(parts) if split_of(part)), default=len(parts) - 1)
    for start in range(telling + 1):
        tail = tuple(wanted[start:])
        yield tail
        if len(tail) > 1:
            yield (*tail[:-2], tail[-1], tail[-2])


def _lists_photos(tree: Tree, name: str) -> bool:
    text = tree.head(name, _HEAD).decode(errors="replace").lstrip("\ufeff").strip()
    return PurePosixPath(_slashes(lines_of(text)[0])).suffix.lower() in IMAGE_SUFFIXES if text else False


def _photos(tree: Tree, lists: _Lists, place: str) -> tuple[list[str], int]:
    """The photos of a folder or a text file, and how closely they are meant by it."""
    if place in tree.folders:
        return [name for name in tree.below(place) if name in lists.images], place.count("/") + bool(place)
    return lists.photos(place), _BY_NAME


class _Lists:
    """Reads text files of paths.

    Args:
        tree: the source.
        config: the description that names them.
        finder: finds photos whose paths are those of another place.
        missing: takes photos that are not there, with a hint.
    """

    def __init__(self, tree: Tree, config: Config, finder: PhotoFinder, missing: dict[str, str]) -> None:
        self.images = frozenset(tree.images)
        self._tree = tree
        self._finder = finder
        self._missing = missing
        home = config.document.rpartition("/")[0]
        path = _slashes(config.path)
        self._bases = ["" if _is_absolute(path) else posixpath.join(home, path), home, ""]

    def photos(self, name: str) -> list[str]:
        """The photos that a text file lists, a path in each line."""
        bases = list(dict.fromkeys([name.rpartition("/")[0], *self._bases]))
        lines = enumerate(lines_of(text_of(self._tree, name)), 1)
        written = ((f"{self._tree.path(name)}:{line}", _slashes(text)) for line, text in lines)
        return [self._photo(text, where, bases) for where, text in written if text]

    def _photo(self, written: str, where: str, bases: list[str]) -> str:
        for base in bases:
            name = posixpath.normpath(posixpath.join(base, written))
            if name in self.images:
                return name
        inside = _AWAY.sub("", posixpath.normpath(written.removeprefix(f"{self._tree.root}/")))
        path, hint = self._finder.find(inside, where, bases)
        name = self._tree.name(path)
        if not is_there(path):
            self._missing[name] = hint
        return name


def _gone(
    tree: Tree,
    config: Config,
    photos: Sequence[str],
    claims: dict[str, dict[Split, int]],
    gone: list[tuple[Split, str]],
) -> tuple[Note, ...]:
    """Tells what is named and not there, unless photos for testing might be trained on."""
    if not gone:
        return ()
    named = ", ".join(f"`{_KEYS[split]}`: {written!r}" for split, written in gone)
    trains = any("train" in splits for splits in claims.values())
    by_folder = not claims and any(split_in(name.split("/")[:-1]) for name in photos)
    lost = {split for split, _ in gone}
    if (claims and not trains and "train" in lost) or (not claims and not by_folder and "test" in lost):
        raise DatasetError(
            f"{tree.path(config.document)}: expected the photos of each split, received {named}, which "
            f"{'is' if len(gone) == 1 else 'are'} not in {tree.root}. Correct the paths, or take `train`, "
            "`val` and `test` out, so that the names of folders decide."
        )
    return (Note("missing-split", f"{config.document} names {named}", ()),)


def _decide(
    tree: Tree, config: Config, claims: dict[str, dict[Split, int]], splits: Splits
) -> tuple[Note, ...]:
    """One split for each photo; of two that name the same photos, the one that is told in a note."""
    train, test = ({name for name, of in claims.items() if key in of} for key in ("train", "test"))
    same = bool(test) and train == test
    shared = 0
    for photo, of in claims.items():
        if "test" in of and not same:
            if of.get("train", -1) >= of["test"]:
                raise DatasetError(
                    f"{tree.path(config.document)}: {photo} is named both in `train` and in `test`. Keep one "
                    "of the two, or the figures will flatter the model."
                )
            shared += "valid" in of
            splits.photos[photo] = "test"
        else:
            splits.photos[photo] = "train" if of.get("train", -1) >= of.get("valid", -1) else "valid"
    if same:
        found = f"`train` and `test` name the same {counted(len(test), 'photo')}: for training"
    elif shared:
        found = f"`val` and `test` name the same {counted(shared, 'photo')}: for testing"
    else:
        return ()
    return (Note("shared-split", f"{config.document}: {found}"),)


def _by_split(part: str) -> str:
    return split_of(part) or folded(part)


def _slashes(text: str) -> str:
    return text.strip().strip("\"'").replace("\\", "/")


def _is_absolute(text: str) -> bool:
    return text.startswith(("/", "~")) or bool(re.match(r"[A-Za-z]:/", text))
