"""Column types that SQLite and PostgreSQL store alike, and the ids of rows."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Key = BigInteger().with_variant(Integer, "sqlite")
"""Numbers rows in the order of their making; SQLite counts up by itself only what it calls INTEGER."""


class Instant(TypeDecorator[datetime]):
    """An aware moment, kept as microseconds since 1970: exact, sortable, and the same in both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the number."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the number, in UTC."""
        return None if value is None else _EPOCH + value * _MICROSECOND


def new_id() -> str:
    """A random UUID of the operating system's generator: ids cannot be guessed from one another."""
    return str(uuid.uuid4())
