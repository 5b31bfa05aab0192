"""What every place for files can do, and how it works on several files at a time; keys have been checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias, TypeVar

from dahlia.server.storage.errors import StorageError

Content: TypeAlias = bytes | Path
"""Bytes, or the file that holds them."""
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that is stored.

    Attributes:
        key: its name.
        size: bytes.
        modified: when it was written last, aware.
    """

    key: str
    size: int
    modified: datetime


class Backend(Protocol):
    """A place for files. All methods raise `StorageError`; a missing file is `NotThere`."""

    place: str
    """Its address, as messages name it."""
    faults: tuple[type[Exception], ...]
    """What reading a file that `open` gave may raise."""

    def fault(self, error: Exception) -> StorageError:
        """One of `faults` in words."""

    def require(self, key: str) -> None:
        """Refuse to write while a file is missing, where a folder may turn into another, as mounts do."""

    def put_many(self, items: Mapping[str, Content]) -> None:
        """Write files, each whole or not at all; they are on disk when it returns."""

    def get(self, key: str) -> bytes:
        """All bytes of a file."""

    def open(self, key: str) -> BinaryIO:
        """A file, to be read and closed."""

    def size(self, key: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def fetch_many(self, items: Mapping[str, Path], *, link: bool) -> None:
        """Bring files to paths, each whole or not at all."""

    def delete_many(self, keys: Iterable[str]) -> None:
        """Delete files; those that are not there count as deleted."""

    def delete_stale(self, key: str, before: datetime) -> bool:
        """Delete a file unless it was written since; whether it is gone."""

    def keys(self, prefix: str) -> Iterator[Entry]:
        """The files below a prefix."""

    def sweep(self, older_than: timedelta) -> int:
        """Remove what writers that were killed left behind; how many files."""


def spread(work: Callable[[_Item], None], items: Iterable[_Item], threads: int) -> None:
    """Do `work` on every item; threads take shares, since a task each costs more than a small file.

    The threads live as long as the call: processes that are forked later inherit none.
    """
    listed = list(items)
    if len(listed) < 2:
        _do(work, listed)
        return
    shares = [listed[start::threads] for start in range(min(threads, len(listed)))]
    with ThreadPoolExecutor(len(shares)) as pool:
        for done in [pool.submit(_do, work, share) for share in shares]:
            done.result()


def _do(work: Callable[[_Item], None], share: list[_Item]) -> None:
    for item in share:
        work(item)
