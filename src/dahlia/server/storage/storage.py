"""The server's files, by key: in a folder, or behind any URL that fsspec knows."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from dahlia.files import staged_directory
from dahlia.server.storage.backend import Backend, Entry, NotThere, StorageError, not_there
from dahlia.server.storage.folder import Folder
from dahlia.server.storage.names import check_key, check_prefix

__all__ = ["Entry", "NotThere", "Storage", "StorageError"]

SWEPT_AFTER = timedelta(days=1)  # no writer that lives takes this long for one file

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class Storage:
    """Files by key, such as `images/ab/abcd.jpg`. Safe for threads, and for several processes at once.

    Args:
        url: a folder, `s3://bucket/prefix` (endpoint and credentials from the usual `AWS_*` variables), or
            another URL of fsspec's, as durable as what stands behind it.

    Raises:
        StorageError: the URL cannot be used. So do all methods: for a key that could leave the storage, for a
            disk that is full or read-only, for a bucket that is not reached.
    """

    def __init__(self, url: str) -> None:
        self._backend = _backend(url)

    @property
    def place(self) -> str:
        """Its address without credentials."""
        return self._backend.place

    @property
    def folder(self) -> Path | None:
        """The folder of this machine; None where the files lie elsewhere."""
        return self._backend.root if isinstance(self._backend, Folder) else None

    def check(self) -> None:
        """Write, read and delete a file, to see that this can be done.

        Raises:
            StorageError: it cannot.
        """
        key, data = f"check-{uuid.uuid4().hex}", b"Dahlia"
        self.put(key, data)
        same = self.get(key) == data
        self.delete(key)
        if not same:
            raise StorageError(f"Expected {self.place} to give back what was put there; it gave other bytes.")

    def require(self, key: str) -> None:
        """Refuse to write from now on while a file is missing.

        A folder of which the disk is unmounted is an empty one, which would take files just as well.
        """
        self._backend.require(check_key(key))

    def put(self, key: str, data: bytes) -> None:
        """Write a file, whole or not at all; it is durable when this returns."""
        self.put_many({key: data})

    def put_many(self, items: Mapping[str, bytes]) -> None:
        """Write many files, each whole or not at all; all are durable when this returns."""
        for key in items:
            check_key(key)
        self._backend.put_many(items)

    def put_file(self, key: str, path: Path) -> None:
        """Copy a file in, as `put` does."""
        self._backend.put_many({check_key(key): path})

    def put_folder(self, prefix: str, folder: Path) -> None:
        """Copy a folder's files in, file by file; of what lay below the prefix nothing else stays.

        Raises:
            StorageError: there is no file in it, or there is something that is no plain file, such as a link.
        """
        prefix = _below(prefix)
        files = {check_key(f"{prefix}/{name}"): path for name, path in _plain_files(folder).items()}
        self._backend.put_many(files)
        self.delete_many([entry.key for entry in self.keys(prefix) if entry.key not in files])

    def get(self, key: str) -> bytes:
        """All bytes of a file.

        Raises:
            NotThere: there is none.
        """
        return self._backend.get(check_key(key))

    def open(self, key: str) -> BinaryIO:
        """A file for reading; close it.

        Raises:
            NotThere: there is none.
        """
        return self._backend.open(check_key(key))

    def stream(self, key: str, chunk: int = 1 << 20) -> Iterator[bytes]:
        """A file's bytes in pieces of at most `chunk`. A missing file is told at once, not with the first.

        Raises:
            NotThere: there is none.
        """
        return _pieces(self.open(key), self._backend, chunk)

    def size(self, key: str) -> int | None:
        """A file's bytes; None where there is none."""
        return self._backend.size(check_key(key))

    def exists(self, key: str) -> bool:
        """Whether there is such a file."""
        return self.size(key) is not None

    def fetch(self, key: str, path: Path, *, link: bool = True) -> None:
        """Bring a file to a path, whole or not at all; see `fetch_many`."""
        self.fetch_many({key: path}, link=link)

    def fetch_many(self, items: Mapping[str, Path], *, link: bool = True) -> None:
        """Bring files to paths, each whole or not at all.

        Args:
            items: paths by key; what is there is replaced, folders are made.
            link: where the file system is the same, make read-only hard links, which cost no room; otherwise
                copies that may be written to.

        Raises:
            NotThere: one of them is missing.
        """
        for key in items:
            check_key(key)
        self._backend.fetch_many(items, link=link)

    def fetch_folder(self, prefix: str, folder: Path) -> None:
        """Bring all files below a prefix to a folder, whole or not at all; it replaces what is there.

        Raises:
            NotThere: there are none.
        """
        prefix = _below(prefix)
        keys = [entry.key for entry in self.keys(prefix)]
        if not keys:
            raise not_there(self.place, f"{prefix}/*")
        with staged_directory(folder) as staged:
            self.fetch_many({key: staged / key.removeprefix(f"{prefix}/") for key in keys}, link=False)

    def delete(self, key: str) -> None:
        """Delete a file; one that is not there counts as deleted."""
        self.delete_many([key])

    def delete_many(self, keys: Iterable[str]) -> None:
        """Delete files; those that are not there count as deleted."""
        self._backend.delete_many([check_key(key) for key in keys])

    def delete_folder(self, prefix: str) -> None:
        """Delete all files below a prefix."""
        self.delete_many([entry.key for entry in self.keys(_below(prefix))])

    def delete_stale(self, key: str, before: datetime) -> bool:
        """Delete a file unless it was written at `before` or later.

        For files that are named by their content: a file that is written again, for a row that will
        name it, is kept. In a folder without a gap; elsewhere there is one while looking and deleting.

        Returns:
            Whether it is gone.
        """
        return self._backend.delete_stale(check_key(key), before)

    def keys(self, prefix: str) -> Iterator[Entry]:
        """The files below a folder, such as `images`; all of them where it is empty."""
        return self._backend.keys(check_prefix(prefix))

    def sweep(self, older_than: timedelta = SWEPT_AFTER) -> int:
        """Remove what writers that were killed left unfinished.

        Args:
            older_than: younger ones may be another process's that is at work.

        Returns:
            How many there were.
        """
        return self._backend.sweep(older_than)


def _backend(url: str) -> Backend:
    if not url.strip():
        raise StorageError(
            "Expected a folder, or a URL such as s3://bucket/prefix, for the storage, received nothing."
        )
    if url.startswith("file://"):
        return Folder(Path(unquote(urlsplit(url).path)))
    if not _SCHEME.match(url):
        return Folder(Path(url))
    from dahlia.server.storage.remote import Remote

    return Remote(url)


def _below(prefix: str) -> str:
    return check_key(check_prefix(prefix))  # not all of the storage


def _plain_files(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise StorageError(f"Expected plain files, received {path}. Put a copy in its place.")
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = path
    if not files:
        raise StorageError(f"Expected files in {folder}, received none. Make them, then try again.")
    return files


def _pieces(file: BinaryIO, backend: Backend, chunk: int) -> Iterator[bytes]:
    with file:
        while True:
            try:
                piece = file.read(chunk)
            except backend.faults as error:
                raise backend.fault(error) from error
            if not piece:
                return
            yield piece
