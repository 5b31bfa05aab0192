"""A backup in the folder of the settings, and the old ones that it replaces."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from dahlia.errors import ConfigError, DahliaError
from dahlia.server.backup.archive import ABOUT, About
from dahlia.server.backup.folder import NAMES, backup_name, backups_in, is_due
from dahlia.server.backup.writing import remove_leftovers, write_backup

if TYPE_CHECKING:
    from dahlia.server.context import Server

_LOCK = ".lock"


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


def _make(server: Server, folder: Path, *, when_due: bool) -> Made | None:
    settings = server.settings.backup
    if when_due and not is_due(folder, settings.every, server.now()):
        return None
    remove_leftovers(folder, NAMES)
    path = folder / backup_name(server.now())
    about = write_backup(server, path)
    return Made(path, about, prune(path, about, settings.keep))


def prune(new: Path, about: About, keep: int) -> tuple[Path, ...]:
    """Delete old backups; where the new one lacks files, the last one that lacks none stays too.

    Args:
        new: the backup that was just verified.
        about: what it says of itself.
        keep: how many stay, the new one among them.

    Returns:
        Those that are gone.
    """
    others = [path for _, path in backups_in(new.parent) if path != new]
    old = others[keep - 1 :]
    if about.missing:
        complete = next((path for path in others if _is_complete(path)), None)
        old = [path for path in old if path != complete]
    gone = []
    for path in old:
        with suppress(OSError):  # the next time will do
            path.unlink()
            gone.append(path)
    return tuple(gone)


def _is_complete(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return not About.model_validate_json(archive.read(ABOUT)).missing
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / _LOCK, timeout=0)
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
