"""Rows of every table as lines of JSON, and back."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, LargeBinary, Table, func, insert, select
from sqlalchemy.orm import Session

from dahlia.server.database.schema import METADATA
from dahlia.server.database.server_tables import SecretRow
from dahlia.server.database.types import Instant
from dahlia.server.database.work_tables import WorkerRow

_BATCH = 1000

TABLES: tuple[Table, ...] = tuple(METADATA.sorted_tables)
"""What others refer to comes first."""
_OWN = {"secrets", "identity", "orphans", "workers"}


def dump(session: Session, table: Table) -> Iterator[bytes]:
    """A line for each row, in the order of the primary key; none for secrets and workers, which stay."""
    if table in (SecretRow.__table__, WorkerRow.__table__):
        return
    chosen = select(table).order_by(*table.primary_key).execution_options(yield_per=_BATCH)
    for row in session.execute(chosen).mappings():
        values = {column.name: _plain(column.type, row[column.name]) for column in table.columns}
        yield json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def load(session: Session, table: Table, lines: Iterable[bytes]) -> int:
    """Insert the rows of such lines.

    Returns:
        How many there were.
    """
    count, batch = 0, []
    for line in lines:
        values = json.loads(line)
        batch.append({column.name: _typed(column.type, _value(values, column)) for column in table.columns})
        if len(batch) == _BATCH:
            session.execute(insert(table), batch)
            count, batch = count + len(batch), []
    if batch:
        session.execute(insert(table), batch)
    _count_on(session.connection(), table)
    return count + len(batch)


def is_empty(session: Session) -> bool:
    """Whether no table has a row, but for those that opening a server makes."""
    return not any(
        session.execute(select(*table.primary_key).limit(1)).first()
        for table in TABLES
        if table.name not in _OWN
    )


def _plain(kind: object, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, Instant):
        return value.isoformat()
    if isinstance(kind, LargeBinary):
        return base64.b64encode(value).decode()
    return value


def _value(values: dict[str, Any], column: Column[Any]) -> Any:
    # What may be empty may be missing: backups of the schema before lack such columns.
    return values.get(column.name) if column.nullable else values[column.name]


def _typed(kind: object, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, Instant):
        return datetime.fromisoformat(value)
    if isinstance(kind, LargeBinary):
        return base64.b64decode(value)
    return value


def _count_on(connection: Connection, table: Table) -> None:
    # Rows came with their keys, which PostgreSQL's own count has not seen.
    if connection.dialect.name == "postgresql" and "key" in table.c:
        highest = connection.scalar(select(func.max(table.c.key)))
        if highest:
            connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "key"), highest)))
