"""Sessions: to read, or to write all or nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from dahlia.errors import ConfigError
from dahlia.imports import require_extra
from dahlia.server.database.errors import DamageError, DatabaseError, is_full, translated_errors
from dahlia.server.disk import Reserve

BUSY_SECONDS = 20.0
_CONNECT_SECONDS = 10
_LOG_BYTES = 16 << 20  # of the write-ahead log's file; what a long reader makes it grow beyond is given back
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "cache_size = -16000",
    "temp_store = MEMORY",  # a full /tmp must not stop a deletion
    f"journal_size_limit = {_LOG_BYTES}",
)
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}

_logger = logging.getLogger("dahlia.server")


class Database:
    """An engine and its two kinds of session.

    SQLite: write-ahead log, synced at every commit, and one writer at a time, who waits in this
    process rather than in the library. PostgreSQL: who changes a project locks its row first
    (see `dahlia.server.database.changes`).

    Args:
        url: `sqlite:///file` or `postgresql://...`.

    Attributes:
        folder: of SQLite's file; None where there is none.
        refused: why nothing is written any more; None while writes are accepted.
        reserve: room for deleting on a full disk; None where the database is no file of this machine.
        damage: what the database reported when it was found damaged, which this process does not forget.
        way_back: says what an operator does about damage.
    """

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.folder = _folder(self.url) if self.is_sqlite else None
        self.reserve = Reserve(self.folder) if self.folder else None
        self._reading = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self.engine = self._engine()
        self.refused: str | None = None
        self.damage: str | None = None
        self.way_back: Callable[[], str] = lambda: "End the server and restore the last backup."
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database.

        Raises:
            DatabaseError: the database cannot be used.
        """
        with (
            self.watched(),
            self.engine.connect().execution_options(**self._reading) as connection,
            Session(connection) as session,
        ):
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are on the disk when the block ends; none is, where it raises.

        Raises:
            DatabaseError: the database cannot be used.
            IntegrityError: a constraint does not hold.
        """
        if self.damage:
            raise DamageError(self.damage)
        if self.refused:
            raise DatabaseError(self.refused)
        if self.reserve:
            self.reserve.release_if_short()
        try:
            with (
                self.alone(),
                self.watched(),
                self.engine.connect().execution_options(writes=True) as connection,
                connection.begin(),
                Session(connection, expire_on_commit=False) as session,
            ):
                yield session
                session.flush()
        except DatabaseError as error:
            if "readonly database" in str(error.__cause__):
                self.close()  # a connection that was opened while it was so takes it to be so for ever
            if self.reserve and is_full(error):  # a quota, which no disk tells of before
                self.reserve.release()
            raise

    def alone(self) -> AbstractContextManager[object]:
        """Keep this process's writers out while a block runs; PostgreSQL needs no such turn."""
        return self._writer if self.is_sqlite else nullcontext()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Translate the faults of a block, and stop all writes where one of them is damage.

        Raises:
            DatabaseError: the database cannot be used.
        """
        try:
            with translated_errors():
                yield
        except DamageError as error:
            if self.damage is None:
                self.damage = error.fault
                self.refuse_writes(f"its file is damaged ({error.fault})")
                _logger.critical(
                    "The database is damaged: %s. Nothing more is written to it; what can be read is "
                    "still answered. %s",
                    error.fault,
                    self.way_back(),
                )
            raise

    def refuse_writes(self, reason: str) -> None:
        """Refuse every write of this process from now on; reads go on.

        Args:
            reason: ends the sentence "The server's database cannot be used now: ...".
        """
        self.refused = reason

    def accept_writes(self) -> None:
        """Accept writes again."""
        self.refused = None

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def _engine(self) -> Engine:
        if not self.is_sqlite:
            require_extra("postgres", "A database in PostgreSQL")
            return create_engine(
                self.url,
                pool_pre_ping=True,
                pool_size=16,
                max_overflow=16,
                connect_args={"connect_timeout": _CONNECT_SECONDS},
            )
        if self.folder:
            _make_folder(self.folder)
            if self.reserve:
                self.reserve.release_if_short()  # a connection needs some room as well
        # Without an isolation level of its own the library begins nothing by itself: `_begin` does.
        options = {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}
        engine = create_engine(self.url, connect_args=options, pool_size=32, max_overflow=32)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        return engine


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        driver = _DRIVERS[parsed.get_backend_name()]
    except (ArgumentError, KeyError):
        raise ConfigError(
            "database.url must be like sqlite:///dahlia.db or postgresql://user:password@host/name; received "
            "something else (not shown, it may hold a password). Correct it."
        ) from None
    return parsed.set(drivername=driver)


def _folder(url: URL) -> Path | None:
    named = url.database not in (None, "", ":memory:")
    return Path(url.database or "").absolute().parent if named else None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The database's folder {folder} cannot be made: {error.strerror}. Choose another with "
            "DAHLIA_SERVER_HOME or DAHLIA_DATABASE_URL."
        ) from error


def _prepare(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A reader that turned writer could find that somebody wrote meanwhile, and had to give up.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
