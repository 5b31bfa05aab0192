"""The splits of Pascal VOC: `ImageSets/Main/train.txt` and its like, a name without suffix in each line.

`<class>_train.txt` has a flag after each name, whether the photo shows the class; these files count only
where there is none for all classes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container
from pathlib import PurePosixPath
from urllib.parse import unquote

from dahlia.dataset.readers.counterparts import Key, counterparts_of, folded
from dahlia.dataset.readers.litter import IMAGE_SUFFIXES
from dahlia.dataset.readers.sources import lines_of, text_of
from dahlia.dataset.readers.splits import split_of, split_of_document
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Split
from dahlia.errors import DatasetError

_FLAGS = frozenset({"-1", "0", "1"})
_FOLDERS = (["imagesets", "main"], ["imagesets"])


class ImageSets:
    """Which split each name is in.

    Raises:
        DatasetError: one is both for training and for testing.
    """

    def __init__(self, tree: Tree) -> None:
        self._counterparts = counterparts_of(tree)
        self._splits: dict[Key, dict[str, Split]] = defaultdict(dict)
        said: dict[tuple[Key, str], str] = {}
        known = {self._counterparts.key(name)[-1] for name in tree.images}
        for base, split, name in _lists(tree):
            for stem in _stems(tree, name, known):
                before = self._splits[base].get(stem, split)
                if "test" in (before, split) and before != split:
                    raise DatasetError(
                        f"{tree.path(name)}: {stem} is in `{split}` here and in `{before}` in "
                        f"{said[base, stem]}. Keep one of the two, or the figures will flatter the model."
                    )
                self._splits[base].setdefault(stem, split)
                said.setdefault((base, stem), name)

    def __bool__(self) -> bool:
        return any(self._splits.values())

    def split(self, name: str) -> Split | None:
        """The split of a photo or an annotation file."""
        key = self._counterparts.key(name)
        return self._around(key).get(key[-1])

    def leaves_out(self, name: str) -> bool:
        """Whether others are named for training, and this one for nothing."""
        key = self._counterparts.key(name)
        named = self._around(key)
        return key[-1] not in named and "train" in named.values()

    def _around(self, key: Key) -> dict[str, Split]:
        for length in range(len(key) - 1, -1, -1):
            if found := self._splits.get(key[:length]):
                return found
        return {}


def _lists(tree: Tree) -> list[tuple[Key, Split, str]]:
    """The files of splits, each with the folders it is about; those of single classes only without others."""
    whole: dict[Key, list[tuple[Key, Split, str]]] = defaultdict(list)
    single: dict[Key, list[tuple[Key, Split, str]]] = defaultdict(list)
    # What `trainval` says is said more closely by `train` and `val`, where these are there.
    for name in sorted(tree.texts, key=lambda name: "trainval" in name.lower()):
        if not name.lower().endswith(".txt") or "imagesets" not in name.lower():
            continue
        path = PurePosixPath(name)
        folders = [folded(part) for part in path.parts[:-1]]
        inside = next((each for each in _FOLDERS if folders[-len(each) :] == each), None)
        if inside is None:
            continue
        base = counterparts_of(tree).key("/".join([*path.parts[: -len(inside) - 1], "_"]))[:-1]
        if split := split_of(path.stem):
            whole[base].append((base, split, name))
        elif split := split_of_document(path.stem):
            single[base].append((base, split, name))
    return [entry for base in {**whole, **single} for entry in whole.get(base) or single[base]]


def _stems(tree: Tree, name: str, known: Container[str]) -> list[str]:
    """What a file lists; a flag at the end of a line is none of the name, unless a photo is called so."""
    stems = []
    for line in lines_of(text_of(tree, name)):
        written = line.strip().replace("\\", "/")
        before, *flag = written.rsplit(maxsplit=1) or [""]
        if flag and flag[0] in _FLAGS and _stem(written) not in known:
            written = before
        if written:
            stems.append(_stem(written))
    return stems


def _stem(written: str) -> str:
    path = PurePosixPath(unquote(written) if "%" in written else written)
    suffix = path.suffix.lower()
    return folded(path.stem if suffix in IMAGE_SUFFIXES or suffix == ".xml" else path.name)
