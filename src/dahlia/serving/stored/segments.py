"""A segment that is being written: one process appends to it, and holds a lock on it as long as it lives."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from dahlia.files import flush
from dahlia.serving.stored.records import MAGIC, START_BYTES, segment_name


class Segment:
    """A segment of this process. Appending and closing are the caller's to keep apart.

    Attributes:
        began: when, in seconds since 1970.
        size: bytes of whole records and of what is before them.
        broken: whether a torn record is at its end, so that nothing may follow.
    """

    def __init__(self, folder: Path, marker: bytes, now: float) -> None:
        """Begin one in `folder`.

        Raises:
            OSError: it cannot be made or locked.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.began = now
        self.size = START_BYTES
        self.broken = False
        self._entered = False
        self._path = folder / segment_name(now)
        self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            _write(self._file, [MAGIC + marker])
        except OSError:
            os.close(self._file)
            self._path.unlink(missing_ok=True)
            raise

    @property
    def empty(self) -> bool:
        """Whether it has no record."""
        return self.size == START_BYTES

    @property
    def lost(self) -> bool:
        """Whether its file was deleted by somebody."""
        try:
            return os.fstat(self._file).st_nlink == 0
        except OSError:  # as network file systems say it
            return True

    def append(self, parts: Sequence[bytes], size: int) -> None:
        """Write a record of `size` bytes, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        try:
            _write(self._file, parts)
        except OSError:
            self._cut()
            raise
        self.size += size

    def sync(self) -> None:
        """Bring what was appended to the disk.

        Raises:
            OSError: the disk reports an error.
        """
        os.fsync(self._file)
        if not self._entered:
            flush(self._path.parent)
            self._entered = True

    def close(self) -> None:
        """Give up the lock; one without a record is deleted."""
        if self.empty:
            self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _cut(self) -> None:
        try:
            os.ftruncate(self._file, self.size)
        except OSError:
            self.broken = True


def is_being_written(path: Path) -> bool:
    """Whether a living process appends to a segment.

    Raises:
        OSError: it cannot be opened.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _write(file: int, parts: Sequence[bytes]) -> None:
    written = os.writev(file, parts)
    if written < sum(map(len, parts)):  # as a disk does that is about to be full: the next call says why
        rest = memoryview(b"".join(parts))[written:]
        while rest:
            rest = rest[os.write(file, rest) :]
