"""Writing a backup while the server runs: with room for it, under a passing name until it is verified.

A file that is being written is locked, which tells it from what a killed writer left. In the folder of the
settings a backup replaces old ones.
"""

from __future__ import annotations

import fcntl
import glob
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from sqlalchemy import text
from sqlalchemy.orm import Session

import dahlia
from dahlia.errors import ConfigError, DahliaError
from dahlia.files import staged_file
from dahlia.server.backup.archive import (
    ABOUT,
    ARTIFACTS,
    FORMAT,
    MLFLOW,
    TABLES,
    About,
    add_tracking,
    dump,
    table_name,
)
from dahlia.server.backup.automatic import NAMES, backup_name, is_due, prune
from dahlia.server.backup.reading import verify_backup
from dahlia.server.backup.stored_files import StoredFiles, named_keys, named_prefixes
from dahlia.server.database.schema import revision_of
from dahlia.server.disk import free_bytes, present
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.names import IDENTITY

if TYPE_CHECKING:
    from dahlia.server.context import Server

_RANDOM = "?" * 8  # of the names that `dahlia.files.staged_file` gives
_YOUNG = 60.0  # seconds; its writer may not have taken hold of it yet
_PER_FILE = 400  # bytes of a zip for a file besides its own: two headers with its name
_SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}
_LOCK_FILE = ".lock"


def write_backup(server: Server, target: Path) -> About:
    """Write everything that the server keeps into one file, whole or not at all, and read it back.

    The rows are of one moment. Files are written before the rows that name them and never change, so every
    file that those rows name is there. One that is missing all the same, or cannot be read, is named in
    `missing`, and the backup has everything else.

    Raises:
        DahliaError: `target` exists or lies in the storage, its disk has no room, the database cannot be
            read, the storage is out of reach, or what was written reads back otherwise.
    """
    if target.exists():
        raise DahliaError(
            f"Expected a new file, received {target}, which exists. Name another, or move it away."
        )
    _check_place(server, target)
    remove_leftovers(target.parent, literally(target.name))
    check_room(server, target.parent)
    with ExitStack() as until_named, staged_file(target) as staged:
        until_named.enter_context(held(staged))
        _write(server, staged)
        return verify_backup(staged, shown=target)


@contextmanager
def held(partial: Path) -> Iterator[None]:
    """Hold a file, as long as this process lives at most, so that nobody takes it for a leftover."""
    with partial.open("rb") as file:
        _lock(file.fileno())
        yield


def scratch_of(partial: Path) -> Path:
    """A file for intermediate results, which goes with the partial one."""
    return partial.with_name(f"{partial.name}.scratch")


def remove_leftovers(folder: Path, pattern: str) -> list[Path]:
    """Remove what killed writers left.

    Args:
        folder: of the backups.
        pattern: of the names that the backups were to have; glob's.

    Returns:
        What is gone.
    """
    gone = []
    for path in folder.glob(f".{pattern}.{_RANDOM}.zip"):
        with path.open("rb") as file:
            if time.time() - path.stat().st_mtime < _YOUNG or not _lock(file.fileno()):
                continue
            scratch_of(path).unlink(missing_ok=True)
            path.unlink()
            gone.append(path)
    return gone


def literally(name: str) -> str:
    """A pattern that only this name fits."""
    return glob.escape(name)


def check_room(server: Server, folder: Path) -> None:
    """See that the disk of a folder has room for a backup. Photos do not shrink: it takes what they take.

    Raises:
        DahliaError: it has not; the message has both sizes.
    """
    needed = _stored(server) + _tracking(server.settings.server.home)
    with server.database.read() as session:
        needed += _rows(session)
    free = free_bytes(present(folder.absolute()))
    if needed > free:
        raise DahliaError(
            f"Expected {_megabytes(needed)} of free space in {folder} for a backup, found {_megabytes(free)}"
            ". Make room there, or name a folder on another disk (backup.folder)."
        )


class BackupInProgress(DahliaError):  # noqa: N818
    """Another process writes a backup into the same folder."""


@dataclass(frozen=True)
class Made:
    """A backup that was written and read back.

    Attributes:
        path: of the file.
        about: what it says of itself.
        removed: the old backups that are gone.
    """

    path: Path
    about: About
    removed: tuple[Path, ...]


def make_backup(server: Server, *, when_due: bool = False) -> Made | None:
    """Write a backup into the folder of the settings, then delete old ones.

    Args:
        server: that is backed up.
        when_due: whether to do so only if the last one is older than `backup.every` hours.

    Returns:
        None where none was due, or another process is at it.

    Raises:
        BackupInProgress: another process is at it, and `when_due` is not set.
        DahliaError: it cannot be written, or reads back otherwise; the old ones are all there.
    """
    folder = server.settings.backup_folder
    try:
        with _alone(folder):
            return _make(server, folder, when_due=when_due)
    except BackupInProgress:
        if when_due:
            return None
        raise


def _check_place(server: Server, target: Path) -> None:
    if target.resolve().is_relative_to(Path(server.storage.place).resolve()):
        raise ConfigError(
            f"Expected a place for a backup outside of the storage, received {target}, which lies in "
            f"{server.storage.place}: each backup would hold those before it. Name another folder."
        )


def _write(server: Server, staged: Path) -> None:
    with zipfile.ZipFile(staged, "w", allowZip64=True) as archive:
        with server.database.read() as session:
            rows = {table.name: _write_rows(archive, session, table.name) for table in TABLES}
            keys, prefixes = named_keys(session), named_prefixes(session)
        files = StoredFiles(archive, server.storage, staged.parent)
        files.add_all(keys, prefixes, unwanted={IDENTITY})  # a restored server gets its own
        untracked = add_tracking(archive, server.settings.server.home, scratch_of(staged))
        about = About(
            format=FORMAT,
            dahlia=dahlia.__version__,
            schema_revision=revision_of(server.database),
            made=server.now(),
            rows=rows,
            files=files.written,
            missing=files.missing | untracked,
        )
        archive.writestr(ABOUT, about.model_dump_json(indent=2) + "\n")


def _write_rows(archive: zipfile.ZipFile, session: Session, name: str) -> int:
    (table,) = (table for table in TABLES if table.name == name)
    count = 0
    with archive.open(table_name(name), "w", force_zip64=True) as member:
        for line in dump(session, table):
            member.write(line)
            count += 1
    return count


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another, or on a file system that has no locks
        return False
    return True


def _stored(server: Server) -> int:
    try:
        return sum(entry.size + _PER_FILE for entry in server.storage.keys(""))
    except StorageError:
        return 0  # what cannot be listed is named when files are copied


def _rows(session: Session) -> int:
    connection = session.connection()
    return int(connection.scalar(text(_SIZES[connection.dialect.name])) or 0)


def _tracking(home: Path) -> int:
    artifacts = sum(path.stat().st_size for path in (home / ARTIFACTS).rglob("*") if path.is_file())
    database = home / MLFLOW
    # Twice: as a copy of one moment, and in the backup.
    return artifacts + (2 * database.stat().st_size if database.exists() else 0)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _make(server: Server, folder: Path, *, when_due: bool) -> Made | None:
    settings = server.settings.backup
    if when_due and not is_due(folder, settings.every, server.now()):
        return None
    remove_leftovers(folder, NAMES)
    path = folder / backup_name(server.now())
    about = write_backup(server, path)
    return Made(path, about, prune(path, about, settings.keep))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / _LOCK_FILE, timeout=0)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise BackupInProgress(
            f"Another process is writing a backup into {folder}. Wait until it has ended."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"The folder for backups {folder} cannot be used: {error.strerror}. Let the server's user write "
            "there, or name another with DAHLIA_BACKUP_FOLDER."
        ) from error
    try:
        yield
    finally:
        lock.release()
