"""All files of a source, listed once: what may be a photo or an annotation, and what is passed over."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from dahlia.dataset import archives
from dahlia.dataset.photo_files import read_file, read_head
from dahlia.dataset.readers.litter import IMAGE_SUFFIXES, file_litter, film_litter, folder_litter
from dahlia.errors import DatasetError

_TEXT_SUFFIXES = frozenset(
    {
        ".txt",
        ".names",
        ".labels",
        ".data",
        ".csv",
        ".tsv",
        ".json",
        ".jsonl",
        ".ndjson",
        ".xml",
        ".yaml",
        ".yml",
    }
    | {".manifest", ".lst"}
)


class Tree:
    """A source's files by name; names are relative to `root`, with forward slashes.

    Args:
        root: the folder, or the archive, resolved.
        document: the annotation file that was named instead of a folder; then only what it names counts.
        skip: folders, resolved, that are not part of the source.
    """

    def __init__(self, root: Path, document: str | None = None, skip: Sequence[Path] = ()) -> None:
        self.root = root
        self.document = document
        self.read: set[str] = set()
        self.parsed: dict[str, Any] = {}  # what formats found in annotation files, by name
        self._skip = {str(path) for path in skip}
        self._archive = archives.opened(root) if root.is_file() else None

    @property
    def is_archive(self) -> bool:
        """Whether the files lie in an archive."""
        return self._archive is not None

    @property
    def files(self) -> list[str]:
        """What may be a photo: all that is neither passed over nor text, sorted."""
        return self._listed[0]

    @property
    def texts(self) -> list[str]:
        """What may be an annotation, by its suffix, sorted."""
        return self._listed[1]

    @property
    def litter(self) -> dict[str, str]:
        """What is passed over, with the reason; those of `texts` that nobody has read are among them."""
        unread = {name: "text" for name in self.texts if name not in self.read}
        return dict(sorted({**self._listed[2], **unread}.items()))

    @cached_property
    def images(self) -> list[str]:
        """Those of `files` that have the suffix of an image."""
        return [name for name in self.files if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES]

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        """For each folder that holds files, at any depth, the names of the folders directly in it; sorted."""
        inside: dict[str, set[str]] = defaultdict(set)
        for name in self.files:
            path = PurePosixPath(name).parent
            inside[_text(path)]
            while path.parts:
                inside[_text(path.parent)].add(path.name)
                path = path.parent
        return {folder: sorted(names) for folder, names in sorted(inside.items())}

    def empty_folders(self) -> list[str]:
        """The folders directly in the source in which no photo is, and which are not passed over; sorted."""
        if self.is_archive:
            return []
        entries = _entries(str(self.root), lenient=False)
        names = (entry.name for entry in entries if _is(entry.is_dir) and not folder_litter(entry.name))
        holding = set(self.folders.get("", []))
        return [name for name in names if name not in holding]

    def directly_in(self, folder: str) -> list[str]:
        """The files of a folder, without those of folders in it."""
        return self._by_folder.get(folder, [])

    def below(self, folder: str) -> list[str]:
        """The files of a folder and of all folders in it."""
        if not folder:
            return self.files
        first = bisect_left(self.files, f"{folder}/")
        return self.files[first : bisect_left(self.files, f"{folder}0")]  # 0 comes after the slash

    def texts_with(self, *suffixes: str) -> list[str]:
        """Annotation files with one of these suffixes; only the one that was named, if one was."""
        named = self.texts if self.document is None else [self.document]
        return [name for name in named if name.lower().endswith(suffixes)]

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self.root / name

    def name(self, path: Path) -> str:
        """The name of a file that lies in the source."""
        return path.relative_to(self.root).as_posix()

    def leads_out(self, name: str) -> bool:
        """Whether a link, of the file or of a folder above it, leads out of the source."""
        if self.is_archive:
            return False
        return not Path(os.path.realpath(self.path(name))).is_relative_to(self.root)

    def content(self, name: str, max_bytes: int | None = None) -> bytes:
        """The bytes of an annotation file, which then counts as read.

        Raises:
            DatasetError: it cannot be read, or has more than `max_bytes`.
        """
        data = self.peek(name, max_bytes)
        self.read.add(name)
        return data

    def peek(self, name: str, max_bytes: int | None = None) -> bytes:
        """The bytes of a file that may turn out to be no annotation; see `content`."""
        path = self.path(name)
        try:
            size, data = read_file(path, max_bytes)
            if data is not None:
                return data
        except OSError as error:
            raise DatasetError(
                f"{path} could not be read: {error.strerror or error}. Check its name and rights."
            ) from error
        raise DatasetError(f"{path}: expected at most {max_bytes:,} bytes, received {size:,}. Take it out.")

    def head(self, name: str, count: int) -> bytes:
        """The first bytes of a file, at most `count`.

        Raises:
            DatasetError: it cannot be read.
        """
        try:
            return read_head(self.path(name), count)
        except OSError as error:
            raise DatasetError(
                f"{self.path(name)} could not be read: {error.strerror or error}. Check its name and rights."
            ) from error

    @cached_property
    def _by_folder(self) -> dict[str, list[str]]:
        held: dict[str, list[str]] = defaultdict(list)
        for name in self.files:
            held[_text(PurePosixPath(name).parent)].append(name)
        return held

    @cached_property
    def _listed(self) -> tuple[list[str], list[str], dict[str, str]]:
        files: list[str] = []
        texts: list[str] = []
        litter: dict[str, str] = {}
        for folder, names, odd, reason in self._walk():
            litter.update((f"{folder}{base}", "neither a file nor a folder") for base in odd)
            stems = {_stem(name) for name in names if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES}
            for base in names:
                name = f"{folder}{base}"
                why = reason or file_litter(base) or film_litter(base, stems)
                if why is None:
                    files.append(name)
                elif why == "text" and PurePosixPath(base).suffix.lower() in _TEXT_SUFFIXES:
                    texts.append(name)
                else:
                    litter[name] = why
        return sorted(files), sorted(texts), litter

    def _walk(self) -> Iterator[tuple[str, list[str], list[str], str | None]]:
        """Folders, linked ones included: its files, what is no file, and why all is passed over, if so."""
        if self._archive is not None:
            yield from _in_archive(self._archive)
            return
        seen: set[str] = set()
        waiting: list[tuple[str, str | None]] = [("", None)]
        while waiting:
            folder, reason = waiting.pop()
            place = os.path.join(self.root, folder)  # noqa: PTH118
            real = os.path.realpath(place)
            if real in seen or real in self._skip:
                continue
            seen.add(real)
            names, odd = [], []
            for entry in _entries(place, lenient=reason is not None):
                if _is(entry.is_dir):
                    waiting.append((f"{folder}{entry.name}/", reason or folder_litter(entry.name)))
                elif _is(entry.is_file) or not os.path.exists(entry.path):  # noqa: PTH110
                    names.append(entry.name)  # a link that leads nowhere is a file that is missing
                else:
                    odd.append(entry.name)
            yield folder, names, odd, reason


def _in_archive(archive: archives.Archive) -> Iterator[tuple[str, list[str], list[str], str | None]]:
    held: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for index, names in enumerate((archive.names, archive.odd)):
        for name in names:
            folder, slash, base = name.rpartition("/")
            held[f"{folder}{slash}"][index].append(base)
    for folder, (files, odd) in held.items():
        reasons = (folder_litter(part) for part in folder.split("/") if part)
        yield folder, files, odd, next((reason for reason in reasons if reason), None)


def _is(question: Callable[[], bool]) -> bool:
    """An answer about a folder's entry; no where a link leads in a circle, or to where nobody may look."""
    try:
        return question()
    except OSError:
        return False


def _entries(place: str, *, lenient: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(place) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if lenient:
            return []
        raise DatasetError(
            f"The folder {place} could not be read: {error.strerror}. Check its rights, or take it out."
        ) from error


def _stem(name: str) -> str:
    return PurePosixPath(name.lower()).stem


def _text(folder: PurePosixPath) -> str:
    return "/".join(folder.parts)
