"""A server out of its settings: the schema brought up to date, the files at hand."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from dahlia.errors import ConfigError
from dahlia.server import permissions
from dahlia.server.backup.automatic import backups_in, way_back
from dahlia.server.context import Server
from dahlia.server.database import schema
from dahlia.server.database.errors import DamageError, DatabaseError
from dahlia.server.database.schema import UnusableDatabase, file_of, is_blank
from dahlia.server.database.sessions import Database
from dahlia.server.disk_space import DiskSpace
from dahlia.server.keys.signing import Signing
from dahlia.server.pairing import PairingError, pair
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.storage import Storage

if TYPE_CHECKING:
    from dahlia.settings.server import Settings

_logger = logging.getLogger("dahlia.server")


def open_server(settings: Settings, *, paired: bool = True) -> Server:
    """Open database and storage.

    Args:
        settings: what to open.
        paired: whether the two must belong together; commands that repair a server open what they find.

    Raises:
        DahliaError: one of them cannot be used.
    """
    _make_home(settings.server.home)
    database = Database(settings.database_url.reveal())
    database.way_back = lambda: way_back(settings.backup_folder, is_file=database.is_sqlite)
    storage = Storage(settings.storage_url.reveal())
    if paired:
        _check_blank(database, storage)
    try:
        schema.upgrade(database)
    except UnusableDatabase as error:
        database.close()
        raise _with_way_back(error, database) from error
    except DamageError as error:
        database.close()
        raise ConfigError(
            f"The server's database is damaged: {error.fault}. {database.way_back()}"
        ) from error
    except DatabaseError as error:
        database.close()
        raise _unreachable(error) from error
    permissions.close(_places(settings.server.home, storage, database))
    if paired:
        _pair(database, storage, settings.backup_folder)
    space = DiskSpace.of(settings, database, storage)
    return Server(settings, database, storage, Signing(database, settings), space=space)


def _places(home: Path, storage: Storage, database: Database) -> list[Path]:
    """What must not be open to others: the home, and what lies elsewhere on this machine."""
    elsewhere = [Path(storage.place)]
    if file := file_of(database):
        elsewhere += [Path(f"{file}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")]
    return [home, *(place for place in elsewhere if not place.is_relative_to(home))]


def _pair(database: Database, storage: Storage, backups: Path) -> None:
    try:
        pair(database, storage, datetime.now(UTC))
    except PairingError as error:
        database.close()
        raise error.with_backup(next((path for _, path in backups_in(backups)), None)) from error
    except StorageError as error:  # what needs no files is answered; cleaning waits, and so does the check
        _logger.error("Whether the storage is this database's is not known yet. %s", error)


def _check_blank(database: Database, storage: Storage) -> None:
    """Refuse an empty file where a server was: a first start that was cut off leaves one, but no files."""
    file = file_of(database)
    try:
        if file is None or not is_blank(file) or next(storage.keys(""), None) is None:
            return
    except StorageError:
        return  # what needs the storage says so
    raise ConfigError(
        f"Expected Dahlia's database at {file}, received an empty file, though the storage holds files. "
        f"{database.way_back()}"
    )


def _with_way_back(error: UnusableDatabase, database: Database) -> ConfigError:
    return ConfigError(f"{error} {database.way_back()}") if error.lost else error


def _unreachable(error: DatabaseError) -> ConfigError:
    fault = error.__cause__
    reason = str(fault.orig if isinstance(fault, DBAPIError) else fault).strip().splitlines()
    return ConfigError(
        f"The server's database cannot be opened: {reason[0] if reason else error}. See that it runs and may "
        "be written, or name another with DAHLIA_DATABASE_URL."
    )


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The server's home {home} cannot be made: {error.strerror}. Name another with "
            "DAHLIA_SERVER_HOME."
        ) from error
