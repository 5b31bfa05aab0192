"""What every place for files can do, and its faults, in words that name neither a credential nor a query.

Keys have been checked.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias, TypeVar

from dahlia.errors import DahliaError

Content: TypeAlias = bytes | Path
"""Bytes, or the file that holds them."""

_Item = TypeVar("_Item")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_TOO_MANY = {errno.EMFILE, errno.ENFILE}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_USER = re.compile(r"(?<=//)[^/@\s]+@")
_QUERY = re.compile(r"(?<=\S)\?[^\s\"']*")


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


class StorageError(DahliaError):
    """Files that cannot be written or read."""


class NotThere(StorageError):  # noqa: N818
    """A file that was asked for and is not stored."""


def not_there(place: str, key: str) -> NotThere:
    """There is no such file."""
    return NotThere(
        f"Expected the file {key} in {place}, received none. Upload it again, or restore it from a backup."
    )


def disk_fault(place: str, error: Exception) -> StorageError:
    """What a folder's disk reports."""
    number, reason = getattr(error, "errno", None), getattr(error, "strerror", None)
    if is_full(error):
        advice = "Free some space there, then try again."
    elif number in _TOO_MANY:
        advice = "Allow the server more open files (`ulimit -n`, LimitNOFILE), or try again later."
    elif number in _FORBIDDEN:
        advice = "Mount it writable and let the server's user write there, then try again."
    else:
        advice = "Look after the disk and its permissions, then try again."
    return StorageError(
        f"Expected {place} to take and give files, received: {reason or type(error).__name__}. {advice} "
        "What was stored is unchanged."
    )


def is_full(error: Exception) -> bool:
    """Whether a disk has no room left; no bucket says so."""
    return getattr(error, "errno", None) in _FULL


def remote_fault(place: str, error: Exception) -> StorageError:
    """What a bucket, or the way to it, reports."""
    reason = scrub(str(error)).strip().rstrip(".") or type(error).__name__
    return StorageError(
        f"Expected {place} to take and give files, received: {reason}. Check that it exists, its endpoint "
        "(AWS_ENDPOINT_URL for s3://), the credentials and the network, then try again."
    )


def scrub(text: str) -> str:
    """A text without user names, passwords and queries of the URLs in it."""
    return _QUERY.sub("", _USER.sub("", text))


def _do(work: Callable[[_Item], None], share: list[_Item]) -> None:
    for item in share:
        work(item)
