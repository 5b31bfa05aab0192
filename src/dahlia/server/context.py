"""What every request needs: settings, database, files, the time; a server is opened out of its settings.

The schema is brought up to date, and database and storage must belong together.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from dahlia.errors import ConfigError, DahliaError
from dahlia.http.admission import Rates
from dahlia.server import disk
from dahlia.server.backup.automatic import backups_in, way_back
from dahlia.server.database import schema
from dahlia.server.database.errors import DamageError, DatabaseError
from dahlia.server.database.schema import UnusableDatabase, file_of, is_blank
from dahlia.server.database.sessions import Database
from dahlia.server.disk import DiskSpace
from dahlia.server.keys.signing import Signing
from dahlia.server.pairing import PairingError, pair
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.storage import Storage

if TYPE_CHECKING:
    from dahlia.server.storage.links import Links
    from dahlia.settings.server import Settings

_logger = logging.getLogger("dahlia.server")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Server:
    """The parts of a running server; tests put in their own.

    Attributes:
        settings: what its operator chose.
        database: what it knows.
        storage: its files.
        signing: signs links and tokens.
        rates: counts the calls of each key.
        space: tells whether its disks have room for more.
        on_publish: called after what is published has changed.
        now: the time, aware.
        opened: when it was opened, aware.
    """

    settings: Settings
    database: Database
    storage: Storage
    signing: Signing
    rates: Rates = field(default_factory=Rates)
    space: DiskSpace = field(default_factory=DiskSpace)
    on_publish: list[Callable[[], None]] = field(default_factory=list)
    now: Callable[[], datetime] = field(default=_now)
    opened: datetime = field(default_factory=_now)

    @property
    def links(self) -> Links:
        """Signs the addresses of files."""
        return self.signing.links

    def published_changed(self) -> None:
        """Tell the followers of what is published, once the change is in the database."""
        for tell in self.on_publish:
            try:
                tell()
            except DahliaError as error:  # the change stands; who follows it sees it a moment later
                _logger.warning("What is published is seen later. %s", error)


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
    disk.close_to_others(_places(settings.server.home, storage, database))
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
