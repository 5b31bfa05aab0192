"""Files in a folder of this machine, on disk when a write returns.

fsspec's own local files are neither synced nor renamed into place, so this one place is our own.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from dahlia.files import flush, staged_file
from dahlia.server.storage.backend import Content, Entry, StorageError, disk_fault, not_there, spread
from dahlia.server.storage.names import STAGED

WRITERS = 8  # threads for a batch: disks that take a millisecond per sync take several at once
READ_ONLY = 0o400  # a workspace's hard link must not be written through; nobody else reads photos

_NAMINGS = 8  # attempts to name a file in a folder that others, who delete, take away whenever it is empty
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}


class Folder:
    """A folder, made when the first file is put there.

    Args:
        root: the folder.

    Attributes:
        root: the folder, absolute.
    """

    faults: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self._staged = self.root / STAGED
        self._required = ""
        self.place = str(self.root)

    def fault(self, error: Exception) -> StorageError:
        """What the disk reports."""
        return disk_fault(self.place, error)

    def require(self, key: str) -> None:
        """Refuse to write while this file is missing."""
        self._required = key

    def put_many(self, items: Mapping[str, Content]) -> None:
        """Write all beside, sync them, give them their names, then sync every folder once."""
        if not items:
            return
        self._check_required(items)
        staged = {key: self._staged / uuid.uuid4().hex for key in items}
        with self._told():
            self._staged.mkdir(parents=True, exist_ok=True)
            try:
                spread(lambda key: _write(staged[key], items[key]), items, WRITERS)
                for key in items:
                    self._name(staged[key], self.root / key)
                spread(_flush_if_there, self._folders(items), WRITERS)
            except BaseException:
                for path in staged.values():
                    with suppress(OSError):
                        path.unlink(missing_ok=True)
                raise
        self._check_required(items)  # the disk may have gone meanwhile

    def get(self, key: str) -> bytes:
        """Read a file."""
        with self._told(key):
            return (self.root / key).read_bytes()

    def open(self, key: str) -> BinaryIO:
        """Open a file."""
        with self._told(key):
            return (self.root / key).open("rb")

    def size(self, key: str) -> int | None:
        """Ask for a file's size."""
        with self._told():
            try:
                return (self.root / key).stat().st_size if (self.root / key).is_file() else None
            except FileNotFoundError:
                return None

    def fetch_many(self, items: Mapping[str, Path], *, link: bool) -> None:
        """Link files, or copy them where links cannot be or are not wanted."""
        for key, path in items.items():
            with self._told(key):
                if not (self.root / key).is_file():
                    raise not_there(self.place, key)
            _bring(self.root / key, path, link=link)

    def delete_many(self, keys: Iterable[str]) -> None:
        """Delete files, and sync their folders."""
        gone = [key for key in keys if self._unlink(key)]
        with self._told():
            for folder in {(self.root / key).parent for key in gone}:
                _flush_if_there(folder)
        for folder in {(self.root / key).parent for key in gone}:
            self._prune(folder)

    def delete_stale(self, key: str, before: datetime) -> bool:
        """Take an old file away, look again, and put it back if it was written in that moment."""
        path, aside = self.root / key, self._staged / uuid.uuid4().hex
        with self._told():
            self._staged.mkdir(parents=True, exist_ok=True)
            try:
                if _written_since(path, before):
                    return False
                path.rename(aside)
            except FileNotFoundError:
                return True
            if _written_since(aside, before):
                aside.replace(path)
                flush(path.parent)
                return False
            aside.unlink()
            return True

    def keys(self, prefix: str) -> Iterator[Entry]:
        """Walk folders in the order of their names."""
        with self._told():
            try:
                found = sorted(os.scandir(self.root / prefix), key=lambda each: each.name)
            except (FileNotFoundError, NotADirectoryError):
                return
        for each in found:
            key = f"{prefix}/{each.name}" if prefix else each.name
            if key == STAGED:
                continue
            if each.is_dir(follow_symlinks=False):
                yield from self.keys(key)
            else:
                with suppress(FileNotFoundError):
                    about = each.stat()
                    yield Entry(key, about.st_size, datetime.fromtimestamp(about.st_mtime, UTC))

    def sweep(self, older_than: timedelta) -> int:
        """Remove staged files; younger ones may be another process's that is at work."""
        before, swept = (datetime.now(UTC) - older_than).timestamp(), 0
        with self._told():
            for path in list(self._staged.glob("*")):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < before:
                        path.unlink()
                        swept += 1
        return swept

    def _check_required(self, items: Mapping[str, Content]) -> None:
        if self._required and self._required not in items and not (self.root / self._required).exists():
            raise StorageError(
                f"Expected the file {self._required} in {self.place}, where it was before, received a folder "
                "without it. Mount the disk that holds the files, then try again."
            )

    def _name(self, staged: Path, path: Path) -> None:
        for attempt in range(_NAMINGS):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(path)
                return
            except FileNotFoundError:  # the folder was empty, and another process took it away just now
                if attempt == _NAMINGS - 1:
                    raise

    def _folders(self, keys: Iterable[str]) -> set[Path]:
        parents = {parent for key in keys for parent in Path(key).parents}
        return {self.root / parent for parent in parents}

    def _unlink(self, key: str) -> bool:
        with self._told():
            try:
                (self.root / key).unlink()
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def _prune(self, folder: Path) -> None:
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return  # it is not empty
            folder = folder.parent

    @contextmanager
    def _told(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise (not_there(self.place, key) if key else self.fault(error)) from error
        except OSError as error:
            raise self.fault(error) from error


def _flush_if_there(folder: Path) -> None:
    with suppress(FileNotFoundError):  # who deletes has taken it away, with what was in it
        flush(folder)


def _write(path: Path, content: Content) -> None:
    with open(path, "xb", opener=_read_only) as file:
        if isinstance(content, Path):
            _copy(content, file)
        else:
            file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read_only(path: str, flags: int) -> int:
    return os.open(path, flags, READ_ONLY)


def _copy(source: Path, file: BinaryIO) -> None:
    try:
        opened = source.open("rb")
    except OSError as error:
        raise StorageError(
            f"Expected the file {source}, received: {error.strerror}. Put it back, then try again."
        ) from error
    with opened:
        shutil.copyfileobj(opened, file, 1 << 20)


def _written_since(path: Path, moment: datetime) -> bool:
    return path.stat().st_mtime >= moment.timestamp()


def _bring(source: Path, path: Path, *, link: bool) -> None:
    if link and _linked(source, path):
        return
    with staged_file(path) as staged:
        shutil.copyfile(source, staged)


def _linked(source: Path, path: Path) -> bool:
    staged = path.with_name(f".{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.hardlink_to(source)
        except FileExistsError:
            staged.hardlink_to(source)
            staged.replace(path)
            staged.unlink(missing_ok=True)  # renaming one link over another of the same file leaves both
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise disk_fault(str(path.parent), error) from error
    return True
