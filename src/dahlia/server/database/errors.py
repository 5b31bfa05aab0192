"""Faults of the database, worded for who reads them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from dahlia.errors import ServiceError


class DatabaseError(ServiceError):
    """The database cannot do what it should: full, read-only, locked for too long, or gone."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "ErrorUnknown",
            f"The server's database cannot be used now: {reason}. Nothing was changed. Ask again in a few "
            "seconds; if it stays so, the server's operator finds the reason in its log.",
            status=503,
            retry_after=2,
        )


_FULL = "its disk is full"


class DamageError(DatabaseError):
    """The database's file is damaged; nothing may be written to it any more.

    Args:
        fault: what the database reports.

    Attributes:
        fault: the same.
    """

    exit_code = 2

    def __init__(self, fault: str) -> None:
        ServiceError.__init__(
            self,
            "ErrorUnknown",
            f"The server's database is damaged: {fault}. Nothing was changed. The server's operator finds in "
            "its log how to restore the last backup.",
            status=503,
            retry_after=_REPAIR_SECONDS,
        )
        self.fault = fault


_REPAIR_SECONDS = 60
_OF_CONNECTIONS = (OperationalError, InterfaceError)
_REASONS = {
    "database or disk is full": _FULL,
    "readonly database": "it may not be written",
    "database is locked": "it is busy",
    "disk I/O error": "its disk reports an error",
    "unable to open database file": "its file cannot be opened",
    "No space left on device": _FULL,
    "read-only transaction": "it may not be written",
}
# What SQLite says of a file whose bytes are wrong or cannot be read. A write that fails is another matter:
# the disk may be full, and what is stored is as it was.
_DAMAGE = (
    "SQLITE_CORRUPT",
    "SQLITE_NOTADB",
    "SQLITE_IOERR_READ",
    "SQLITE_IOERR_DATA",
    "SQLITE_IOERR_CORRUPTFS",
)
_NO_TEXT = "Could not decode to UTF-8"  # Python's own words, which show the value after them
# PostgreSQL: data_corrupted, index_corrupted, io_error.
_DAMAGED_STATES = {"XX001", "XX002", "58030"}


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise DatabaseError where the database cannot be used; a broken constraint is its caller's business."""
    try:
        yield
    except IntegrityError:
        raise
    except PoolTimeoutError as error:
        raise DatabaseError("all its connections are in use") from error
    except DBAPIError as error:
        if fault := damage_of(error.orig):
            raise DamageError(fault) from None  # its traceback would be in the log with every request
        reason = _reason(error)
        if reason is None:  # a fault of ours, which should look like one
            raise
        raise DatabaseError(reason) from error


def is_full(error: DatabaseError) -> bool:
    """Whether the disk of the database has no room left."""
    return _FULL in str(error)


def damage_of(fault: BaseException | None) -> str | None:
    """What a database's own error says of damage; None where it says something else."""
    if isinstance(fault, sqlite3.Error):
        if _NO_TEXT in str(fault):
            return "a text in it is not UTF-8"
        if str(getattr(fault, "sqlite_errorname", "")).startswith(_DAMAGE):
            return str(fault)
    if getattr(fault, "sqlstate", None) in _DAMAGED_STATES:
        return str(fault).strip().splitlines()[0]
    return None


def _reason(error: DBAPIError) -> str | None:
    text = str(error.orig)
    for sign, reason in _REASONS.items():
        if sign in text:
            return reason
    # A file has no connection to lose: what SQLite calls operational besides these is faulty SQL.
    remote = not isinstance(error.orig, sqlite3.Error)
    return "the connection to it is lost" if remote and isinstance(error, _OF_CONNECTIONS) else None
