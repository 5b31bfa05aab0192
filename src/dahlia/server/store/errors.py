"""Faults of the database, worded for who reads them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from dahlia.server.contract.errors import ServiceError


class StoreError(ServiceError):
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


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise StoreError where the database cannot be used; a broken constraint is its caller's business."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        reason = _reason(error)
        if reason is None:  # a fault of ours, which should look like one
            raise
        raise StoreError(reason) from error


def is_full(error: StoreError) -> bool:
    """Whether the disk of the database has no room left."""
    return _FULL in str(error)


def _reason(error: DBAPIError) -> str | None:
    text = str(error.orig)
    for sign, reason in _REASONS.items():
        if sign in text:
            return reason
    # A file has no connection to lose: what SQLite calls operational besides these is faulty SQL.
    remote = not isinstance(error.orig, sqlite3.Error)
    return "the connection to it is lost" if remote and isinstance(error, _OF_CONNECTIONS) else None
