"""Room on the database's disk that is given up when the disk is full.

SQLite appends to its write-ahead log even to delete, so on a full disk nothing could be deleted to make room.
A file of some megabytes holds that room. Whichever process writes and finds less than its size free empties
it; the server fills it again once there is room.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NAME = ".reserve"


def free_bytes(folder: Path) -> int:
    """Bytes that an ordinary user may still write to the disk of a folder.

    Raises:
        OSError: there is no such folder, or the disk reports an error.
    """
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def present(folder: Path) -> Path:
    """A folder, or the first above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.is_dir())


class Reserve:
    """A file that takes room and holds nothing.

    Args:
        folder: of the database's file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / NAME

    @property
    def size(self) -> int:
        """Bytes that it holds now."""
        try:
            return self._file.stat().st_size
        except OSError:
            return 0

    def free(self) -> int:
        """Bytes that its disk has besides.

        Raises:
            OSError: the disk reports an error.
        """
        return free_bytes(self._folder)

    def fill(self, size: int) -> None:
        """Hold so many bytes from now on, allocated on the disk.

        Raises:
            OSError: there is no room for them, or the folder may not be written.
        """
        file = os.open(self._file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(file, min(size, os.fstat(file).st_size))
            if size:
                os.posix_fallocate(file, 0, size)
        except OSError:
            os.ftruncate(file, 0)
            raise
        finally:
            os.close(file)

    def release(self) -> None:
        """Give up what it holds."""
        with suppress(
            OSError
        ):  # where there is no such file, or it may not be written, there is no room in it
            os.truncate(self._file, 0)

    def release_if_short(self) -> None:
        """Give it up if the disk has less room besides."""
        size = self.size
        if not size:
            return
        with suppress(OSError):
            if self.free() < size:
                self.release()
