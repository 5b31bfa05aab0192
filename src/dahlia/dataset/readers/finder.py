"""The photo that an annotation names, where its spelling, its folder or its suffix differ from the file's.

A name that fits one file only is found; one that fits several, or none, is a file that is missing, with a
hint. Nothing outside the source is ever looked at.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from dahlia.dataset.readers.litter import IMAGE_SUFFIXES, PLAIN_FOLDERS
from dahlia.dataset.readers.reading import Note, counted
from dahlia.dataset.readers.tree import Tree
from dahlia.errors import DatasetError

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LONGEST = 32_768  # characters, of an address in which each is written as %E2%82%AC
_MOST_HINTS = 50  # comparing a name with all others takes its time
_MOST_COMPARED = 20_000


class PhotoFinder:
    """Finds photos of a source by what annotations call them.

    Attributes:
        notes: names that were not spelt as the files are, after some were looked for.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._root = str(tree.root)
        self._loose: dict[str, str] = {}
        self._hints = 0

    @property
    def notes(self) -> tuple[Note, ...]:
        """One note that tells of all names which differ from the files', if any."""
        if not self._loose:
            return ()
        written, meant = next(iter(self._loose.items()))
        names = counted(len(self._loose), "name differs", "names differ")
        found = f"{names} from the files', such as {written!r:.200} for {meant!r:.200}"
        return (Note("loose-names", found, tuple(sorted(set(self._loose.values())))),)

    def remember(self, written: str, meant: str) -> None:
        """Count a name that is not spelt as its file, and that was found otherwise."""
        self._loose[written] = meant

    def find(self, name: str, where: str, below: Sequence[str] = ("",)) -> tuple[Path, str]:
        """The file that an annotation names, and a hint if it is not there.

        Args:
            name: as written.
            where: the place in the source, for messages.
            below: folders of the source in which to look, the first one being the answer where none has it.

        Returns:
            A path inside the source; and a clause, empty where the file exists.

        Raises:
            DatasetError: the name is empty or cannot be a file's; or it leads out of the source, and no file
                in the source has it.
        """
        name = name.strip()
        if not _can_be_name(name):
            raise DatasetError(f"{where}: expected the name of a file, received {name[:200]!r}. Fill it in.")
        exact = [self._inside(folder, name) for folder in below]
        fitting: list[str] = []
        if (known := self._known(name, below, exact, fitting)) is not None:
            return known, ""
        outside = next((path for path in exact if path is not None), None)
        if outside is None:
            raise DatasetError(
                f"{where}: expected a file inside {self._root}, received {name!r:.200}, which does not lead "
                "there. Copy the file there, and name it relative to that folder."
            )
        return Path(outside), self._hint(name, fitting)

    def known(self, name: str, below: Sequence[str] = ("",)) -> Path | None:
        """The file that a name means, as `find` finds it; None where it means none, or several."""
        name = name.strip()
        if not _can_be_name(name):
            return None
        return self._known(name, below, [self._inside(folder, name) for folder in below], [])

    def _known(
        self, name: str, below: Sequence[str], exact: Sequence[str | None], fitting: list[str]
    ) -> Path | None:
        """See `known`; names of several files that fit are added to `fitting`."""
        for path in exact:
            if path is not None and self._exists(path):
                return Path(path)
        fitting += self._fitting(name, below)
        if len(fitting) != 1:
            return None
        if fitting[0] != name:
            self._loose[name] = fitting[0]
        return self._tree.path(fitting[0])

    def _inside(self, folder: str, name: str) -> str | None:
        if _DRIVE.match(name) or _ADDRESS.match(name):
            return None
        if "\\" in name and not os.path.exists(os.path.join(self._root, folder, name)):  # noqa: PTH110, PTH118
            name = name.replace("\\", "/")
        if name.startswith("/"):
            path = os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))  # noqa: PTH118, PTH119, PTH120
        else:
            path = os.path.normpath(os.path.join(self._root, folder, name))  # noqa: PTH118
        return path if path.startswith(self._root.rstrip("/") + "/") else None

    def _exists(self, path: str) -> bool:
        if self._tree.is_archive:
            return path[len(self._root) + 1 :] in self._names
        # os.path.exists, unlike Path.exists, has an answer for names that are too long.
        return os.path.exists(path)  # noqa: PTH110

    @cached_property
    def _names(self) -> set[str]:
        return set(self._tree.files)

    def _fitting(self, name: str, below: Sequence[str]) -> list[str]:
        plain = _ADDRESS.sub("", name.split("?")[0] if _ADDRESS.match(name) else name).replace("\\", "/")
        keys = [_spelling(plain), _spelling(unquote(plain))]
        for index in (self._by_spelling, self._by_stem):
            for key in dict.fromkeys(keys):
                for folder in below:
                    inside = _spelling(f"{folder}/{key}") if folder else key
                    if found := index.whole.get(index.fold(inside)):
                        return found
            for key in dict.fromkeys(keys):
                if found := self._with_tail(index, key):
                    return found
        return []

    def _with_tail(self, index: _Index, key: str) -> list[str]:
        """Files of which the name is the end of the key, or the key the end of the name.

        So `cat/1.jpg` is never found in `dog/1.jpg`; folders that only say "images" do not count.
        """
        wanted = _telling(index.fold(key).split("/"))
        if len(wanted) == 1:
            return index.by_tail.get((wanted[-1],), [])
        return [
            name
            for tail in ((wanted[-2], wanted[-1]), ("", wanted[-1]))
            for name in index.by_tail.get(tail, [])
            if _ends_alike(_telling(index.fold(_spelling(name)).split("/")), wanted)
        ]

    @cached_property
    def _by_spelling(self) -> _Index:
        return _Index(self._tree.files, lambda text: text)

    @cached_property
    def _by_stem(self) -> _Index:
        return _Index(self._tree.images, _without_image_suffix)

    def _hint(self, name: str, fitting: Sequence[str]) -> str:
        if len(fitting) > 1:
            more = f" and {len(fitting) - 2} more" if len(fitting) > 2 else ""
            return f"{len(fitting)} files fit: {', '.join(fitting[:2])}{more}"
        self._hints += 1
        if self._hints > _MOST_HINTS or len(self._tree.files) > _MOST_COMPARED:
            return ""
        base = _spelling(PurePosixPath(name.replace("\\", "/")).name)
        near = difflib.get_close_matches(base, self._by_spelling.by_base, 1, 0.6)
        return f"the nearest is {self._by_spelling.by_base[near[0]][0]}" if near else ""


class _Index:
    """Names by their folded spelling: whole, without folders, and by their ends."""

    def __init__(self, names: Sequence[str], fold: Callable[[str], str]) -> None:
        self.fold = fold
        self.whole: dict[str, list[str]] = defaultdict(list)
        self.by_base: dict[str, list[str]] = defaultdict(list)
        # By the last telling part and the last two: thousands of folders may each have a 1.jpg.
        self.by_tail: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name in names:
            last = _telling(fold(_spelling(name)).split("/"))[-2:]
            self.by_tail[(last[-1],)].append(name)
            self.by_tail[("", *last)[-2], last[-1]].append(name)
            for key in {fold(_spelling(text)) for text in (name, unquote(name))}:
                self.whole[key].append(name)
                self.by_base[PurePosixPath(key).name].append(name)


def _can_be_name(text: str) -> bool:
    try:
        return 0 < len(text) <= _LONGEST and b"\0" not in text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write
        return False


def _spelling(text: str) -> str:
    parts: Iterator[str] = (part for part in text.split("/") if part not in ("", "."))
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", "/".join(parts)).casefold())


def _without_image_suffix(text: str) -> str:
    suffix = PurePosixPath(text).suffix
    return text[: -len(suffix)] if suffix in IMAGE_SUFFIXES else text


def _telling(parts: list[str]) -> list[str]:
    return [part for part in parts[:-1] if part not in PLAIN_FOLDERS] + parts[-1:]


def _ends_alike(one: list[str], other: list[str]) -> bool:
    return all(left == right for left, right in zip(reversed(one), reversed(other), strict=False))
