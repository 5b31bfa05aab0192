"""Whether database and storage belong together, when the server starts and while it runs.

At their first meeting, and when asked to, they are made to.

A server that starts with an empty database on a full storage, or with the storage of another server, would
take every file for one that nobody needs. So each carries the other's mark: the database the server's id, the
storage the id and the last line of the audit log that the database was known to have (see `ownership`).
"""

from __future__ import annotations

import logging
import shlex
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from dahlia.errors import ConfigError, DahliaError
from dahlia.server.background import FaultLog, Repeated
from dahlia.server.database.tables import DiscardRow, IdentityRow, OrphanRow
from dahlia.server.ownership import (
    StoredIdentity,
    count_images,
    has_passed,
    is_new,
    knows_some,
    names_files,
    position_of,
    read_identity,
    sample,
    write_identity,
)
from dahlia.server.storage.names import IDENTITY

if TYPE_CHECKING:
    from dahlia.server.context import Server
    from dahlia.server.database.sessions import Database
    from dahlia.server.storage.storage import Storage

SECONDS = 10.0  # of changes that an old copy of the database may lack without being recognised
REASON = "its files belong to another database, or are gone"

_OWN = "check database.url and storage.url with `dahlia config`"
_WAYS = {
    "restore": "`dahlia restore FILE` brings back the last backup, into an empty database: move dahlia.db "
    "and the files beside it that end in -wal and -shm away first",
    "rescue": "`dahlia rescue` makes a server of what is stored, where there is no backup",
    "adopt": "`dahlia adopt` makes the two belong together as they are",
    "prefix": "a new server needs a storage.url (a folder or a prefix) of its own",
    "old": "put the right database back, with its -wal file if it has one",
}

_logger = logging.getLogger("dahlia.server")


class PairingError(ConfigError):
    """Database and storage do not belong together; no file was changed.

    Args:
        found: what was found.
        ways: keys of the ways on, besides checking the settings.
        backup: the newest backup that is known.
    """

    def __init__(self, found: str, *ways: str, backup: Path | None = None) -> None:
        listed = "".join(f"\n  - {_WAYS[way]}" for way in ways)
        if backup:
            listed = listed.replace("dahlia restore FILE", f"dahlia restore {shlex.quote(str(backup))}")
        super().__init__(f"{found} Nothing was deleted or overwritten. First {_OWN}; otherwise:{listed}")
        self._found, self._ways = found, ways

    def with_backup(self, backup: Path | None) -> PairingError:
        """The same, naming the newest backup."""
        return PairingError(self._found, *self._ways, backup=backup)


def pair(database: Database, storage: Storage, now: datetime) -> None:
    """See that both belong together; give both an identity where neither has one.

    Args:
        database: with its present schema.
        storage: the files.
        now: the time.

    Raises:
        PairingError: they do not.
        StorageError: the storage cannot be read, or not be written at the first meeting.
        DatabaseError: the database cannot be used.
    """
    stored, own = read_identity(storage), _row(database)
    if stored is None:
        _check_unmarked(database, storage, own)
        own = own or _make_row(database, now)
        write_identity(storage, _identity(database, own))
    elif own is None:
        raise _unknown(database, storage, stored)
    else:
        check_pair(database, storage, stored, own)
    storage.require(IDENTITY)


def check(database: Database, storage: Storage) -> IdentityRow:
    """See that both still belong together.

    Returns:
        The database's own mark.

    Raises:
        PairingError: they do not.
        StorageError: the storage cannot be read.
    """
    stored, own = read_identity(storage), _row(database)
    if stored is None or own is None:
        side = "storage" if stored is None else "database"
        raise PairingError(
            f"Expected {storage.place} and the database to know each other, received a {side} without an "
            "identity. Is it mounted, and is it the right one?",
            "restore",
            "adopt",
        )
    check_pair(database, storage, stored, own)
    return own


def check_pair(database: Database, storage: Storage, stored: StoredIdentity, own: IdentityRow) -> None:
    """See that a mark in the storage is that of a database.

    Raises:
        PairingError: it is another's, or the database is older than the storage.
    """
    if stored.server != own.server:
        raise PairingError(
            f"Expected the storage of this database in {storage.place}, received that of another server: it "
            f"carries the id {stored.server}, the database {own.server}.",
            "prefix",
            "adopt",
        )
    with database.read() as session:
        if has_passed(session, stored.position):
            return
        present = position_of(session)
    moment = f"{stored.position.moment:%Y-%m-%d %H:%M:%S} UTC"
    if present.line < stored.position.line:
        received = f"one that ends {stored.position.line - present.line} changes earlier"
    else:
        received = "one with another history since then"
    raise PairingError(
        f"Expected the database that last changed {storage.place} at {moment} (line {stored.position.line} "
        f"of its audit log), received {received}: it is an old copy, or was used with other files since.",
        "old",
        "restore",
        "adopt",
    )


def adopt(database: Database, storage: Storage, now: datetime) -> str:
    """Make a database and a storage belong together, whatever they carried before.

    Files that the database does not know stay: what was written before is never deleted by cleaning.

    Returns:
        The new id; a database that used the storage until now is refused from now on.

    Raises:
        DahliaError: one of them cannot be used.
    """
    with database.write() as session:
        for table in (DiscardRow, OrphanRow):  # said of files that may have other owners now
            session.execute(delete(table))
    return join(database, storage, str(uuid4()), now)


def join(database: Database, storage: Storage, server: str, made: datetime) -> str:
    """Give both one id.

    Args:
        database: of the server.
        storage: its files.
        server: the id.
        made: since when the database knows the files.

    Returns:
        The id.

    Raises:
        DahliaError: one of them cannot be used.
    """
    sides = [side for side in (_readable(storage), _row(database)) if side]
    earlier = sorted({one for side in sides for one in (side.server, *side.earlier)} - {server})
    with database.write() as session:
        session.execute(delete(IdentityRow))
        row = IdentityRow(key=1, server=server, earlier=earlier, made=made)
        session.add(row)
    write_identity(storage, _identity(database, row))
    return server


def note_position(database: Database, storage: Storage, own: IdentityRow) -> None:
    """Let the storage know how far the database has come; the file is written only where that changed.

    Raises:
        DahliaError: one of them cannot be used.
    """
    stored, present = read_identity(storage), _identity(database, own)
    if stored is None or stored.position.line < present.position.line:
        write_identity(storage, present)


class PairingWatch:
    """Compares database and storage every few seconds. While they do not fit, nothing is written.

    Args:
        server: whose they are.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._is_paired = False
        self._faults = FaultLog(_logger)
        self._thread = Repeated("pairing", SECONDS, self.look)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Compare once more, and end."""
        self._thread.stop()
        self.look()

    def look(self) -> None:
        """Compare now."""
        database = self._server.database
        try:
            self._compare()
        except PairingError as error:
            if database.refused is None:
                _logger.critical("Writing has stopped. %s", error)
                database.refuse_writes(REASON)
        except DahliaError as error:
            self._faults.log(f"Database and storage cannot be compared now. {error}")
        else:
            self._faults.forget()
            if database.refused == REASON:
                _logger.warning("Database and storage fit again; changes are accepted.")
                database.accept_writes()

    def _compare(self) -> None:
        database, storage = self._server.database, self._server.storage
        if not self._is_paired:  # the storage could not be asked when the server started
            pair(database, storage, self._server.now())
            self._is_paired = True
        note_position(database, storage, check(database, storage))


def _check_unmarked(database: Database, storage: Storage, own: IdentityRow | None) -> None:
    files = sample(storage)
    with database.read() as session:
        new, images = is_new(session), count_images(session)
        known, names = knows_some(session, files), names_files(session)
    if files and not known:
        received = "a new, empty one" if new else f"one that names {images} images and none of these files"
        raise PairingError(
            f"Expected the database of the files in {storage.place}, received {received}.",
            "restore", "rescue", "prefix", "adopt",
        )  # fmt: skip
    if not files and names:
        raise PairingError(
            f"Expected the files of {images} images in {storage.place}, received none. Is it mounted, and is "
            "it the right one?",
            "restore", "adopt",
        )  # fmt: skip
    if own is not None and names:
        raise PairingError(
            f"Expected the identity of this database's server in {storage.place}, received a storage without "
            "an identity, which another disk or folder may be. Is it mounted, and is it the right one?",
            "adopt",
        )


def _unknown(database: Database, storage: Storage, stored: StoredIdentity) -> PairingError:
    with database.read() as session:
        new = is_new(session)
    received = "a new, empty one" if new else "one that never used this storage"
    return PairingError(
        f"Expected the database of the server {stored.server}, whose files are in {storage.place}, received "
        f"{received}.",
        "restore", "rescue", "prefix", "adopt",
    )  # fmt: skip


def _readable(storage: Storage) -> StoredIdentity | None:
    try:
        return read_identity(storage)
    except ConfigError:  # damaged: it is about to be replaced
        return None


def _identity(database: Database, row: IdentityRow) -> StoredIdentity:
    with database.read() as session:
        position = position_of(session)
    return StoredIdentity(server=row.server, earlier=tuple(row.earlier), made=row.made, position=position)


def _row(database: Database) -> IdentityRow | None:
    with database.read() as session:
        return session.get(IdentityRow, 1)


def _make_row(database: Database, now: datetime) -> IdentityRow:
    try:
        with database.write() as session:
            session.add(IdentityRow(key=1, server=str(uuid4()), earlier=[], made=now))
    except IntegrityError:  # another process of this server was first
        pass
    row = _row(database)
    assert row is not None
    return row
