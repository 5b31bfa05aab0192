"""The server's disks: room for more, and files for its own user.

Below a floor nothing is added, so deleting has room. Folders have the mode 0700, files 0600.

SQLite appends to its write-ahead log even to delete, so on a full disk nothing could be deleted to make room.
A file of some megabytes, the reserve, holds that room. Whichever process writes and finds less than its size
free empties it; the server fills it again once there is room.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dahlia.errors import ServiceError
from dahlia.server.background import Repeated

if TYPE_CHECKING:
    from dahlia.server.database.sessions import Database
    from dahlia.server.storage.storage import Storage
    from dahlia.settings.server import Settings

MEGABYTE = 1024 * 1024
MAX_RESERVE = 64 * MEGABYTE  # a thousand images with tags and regions need a third of it to be deleted
SHARE = 4  # of the floor, what the reserve holds
RESERVE = ".reserve"  # the file beside that of the database

_FRESH_SECONDS = 1.0
_LOOK_SECONDS = 5.0
_RETRY_SECONDS = 10
_OTHERS = 0o077
_ANYBODY = 0o007
_ROOT = Path("/")
_logger = logging.getLogger("dahlia.server")


@dataclass(frozen=True, slots=True)
class Shortage:
    """A disk with less room than it should have.

    Attributes:
        what: lies on it, such as `storage`.
        folder: on it.
        free: bytes.
    """

    what: str
    folder: Path
    free: int


class DiskSpace:
    """Measures the disks, at most once in a while, and logs when one runs short and when it has room again.

    Args:
        folders: that the server writes to, by what lies there; they need not exist yet.
        floor: bytes that each disk should have free; 0 measures nothing.
        fresh: seconds for which a measurement counts.
    """

    def __init__(
        self, folders: Mapping[str, Path] | None = None, floor: int = 0, *, fresh: float = _FRESH_SECONDS
    ) -> None:
        self.floor = floor
        self._folders = dict(folders or {})
        self._fresh = fresh
        self._measured: float | None = None
        self._shortage: Shortage | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: Settings, database: Database, storage: Storage) -> Self:
        """Of a server's home, its database where that is a file, and its storage where that is a folder."""
        folders = {"home": settings.server.home, "database": database.folder, "storage": storage.folder}
        named = {what: folder for what, folder in folders.items() if folder is not None}
        return cls(named, settings.server.min_free_mb * MEGABYTE)

    def shortage(self) -> Shortage | None:
        """The disk that has too little room, if one has."""
        with self._lock:
            now = time.monotonic()
            if self.floor and (self._measured is None or now - self._measured >= self._fresh):
                self._measured = now
                self._note(self._measure())
            return self._shortage

    def require(self) -> None:
        """Let an addition pass if there is room for it.

        Raises:
            ServiceError: there is none.
        """
        short = self.shortage()
        if short is None:
            return
        raise ServiceError(
            "ErrorUnknown",
            f"Expected {self.floor // MEGABYTE} MB free on the disk of the server's {short.what}, found "
            f"{short.free // MEGABYTE}. Nothing was added. Free some space: delete images, iterations or "
            "projects, which is still possible as reading and predicting are, or ask the server's operator.",
            status=503,
            retry_after=_RETRY_SECONDS,
        )

    def _measure(self) -> Shortage | None:
        short = []
        for what, folder in self._folders.items():
            with suppress(OSError):  # a disk that does not answer is found out by who writes to it
                free = free_bytes(present(folder))
                if free < self.floor:
                    short.append(Shortage(what, folder, free))
        return min(short, key=lambda one: one.free, default=None)

    def _note(self, found: Shortage | None) -> None:
        if found and not self._shortage:
            _logger.error(
                "The disk of the server's %s (%s) is nearly full: %d MB free, expected %d "
                "(server.min_free_mb). Nothing is added until it has room again; reading, predicting and "
                "deleting still work.",
                found.what, found.folder, found.free // MEGABYTE, self.floor // MEGABYTE,
            )  # fmt: skip
        elif self._shortage and not found:
            _logger.warning("The disks have room again; additions are taken.")
        self._shortage = found


class SpaceWatch:
    """Looks at the disks in the background, and fills the reserve again when there is room.

    Args:
        space: of the server.
        reserve: of its database; None where that is no file of this machine.
    """

    def __init__(self, space: DiskSpace, reserve: Reserve | None) -> None:
        self._space = space
        self._reserve = reserve
        self._size = min(space.floor // SHARE, MAX_RESERVE)
        self._thread = Repeated("disk space", _LOOK_SECONDS, self.look)

    def start(self) -> None:
        """Look at once, then go on in the background."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._thread.stop()

    def look(self) -> None:
        """Log what has changed; fill the reserve if the disks keep enough besides."""
        if self._space.shortage() or self._reserve is None or self._reserve.size == self._size:
            return
        try:
            self._refill(self._reserve)
        except OSError as error:
            _logger.warning(
                "The reserve for deleting on a full disk is not there: %s. It is tried again in %d s.",
                error.strerror, _LOOK_SECONDS,
            )  # fmt: skip

    def _refill(self, reserve: Reserve) -> None:
        if reserve.free() + reserve.size >= self._space.floor + self._size:
            reserve.fill(self._size)


@contextmanager
def private() -> Iterator[None]:
    """What this process and those that it starts write meanwhile is for their user alone.

    For a command's main thread, before others start: the umask is the whole process's.
    """
    before = os.umask(_OTHERS)
    os.umask(before | _OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def close_to_others(places: Iterable[Path]) -> None:
    """Take folders and files away from other users, where an earlier version or another umask gave them.

    What a group may use, and nobody else, was shared by somebody's choice and stays so; a warning says it.

    Args:
        places: whose contents nobody reaches once they are closed; those that are not there are passed over.
    """
    closed = [
        f"{path} (was {mode:04o})" for path in places if (mode := _open_mode(path)) and _taken(path, mode)
    ]
    if closed:
        _logger.warning("Closed to other users of this machine, who could read them: %s.", ", ".join(closed))


def warn_of_readers(path: Path) -> None:
    """Warn of a private file of the operator's own that any user may read; its mode stays as it is."""
    mode = _open_mode(path)
    if mode & _ANYBODY:
        _logger.warning(
            "All users of this machine may use %s (mode %04o); `chmod o= %s` ends that.", path, mode, path
        )


def _open_mode(path: Path) -> int:
    """The mode of what others may use; 0 where they may not, or nothing is there."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0  # who opens it says what is wrong with it
    return mode if mode & _OTHERS else 0


def _taken(path: Path, mode: int) -> bool:
    """Whether others may not use it any more."""
    if mode & _ANYBODY == 0:
        _logger.warning("The group of %s may use it (mode %04o); `chmod go= %s` ends that.", path, mode, path)
        return False
    if mode & stat.S_ISVTX or path == _ROOT:
        _logger.warning(
            "All users of this machine may use %s (mode %04o). Give the server a folder of its own with "
            "DAHLIA_SERVER_HOME.", path, mode,
        )  # fmt: skip
        return False
    try:
        path.chmod(mode & ~_OTHERS)
    except OSError as error:
        _logger.warning(
            "Other users of this machine may use %s (mode %04o), which cannot be changed: %s. Run `chmod go= "
            "%s` as its owner.", path, mode, error.strerror, path,
        )  # fmt: skip
        return False
    return True


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
        self._file = folder / RESERVE

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
