"""The format of a backup: a zip, stored without compression since photos do not shrink.

about.json            the version of the format and of the schema, and what is counted
tables/<name>.jsonl   rows as lines of JSON
files/<key>           files of the storage
tracking/<path>       MLflow's database and artifacts, where they lie in the server's home
"""

from __future__ import annotations

import base64
import errno
import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Column, Connection, LargeBinary, Table, func, insert, select
from sqlalchemy.orm import Session

from dahlia.server.database.schema import METADATA
from dahlia.server.database.tables import SecretRow
from dahlia.server.database.types import Instant
from dahlia.server.database.work_tables import WorkerRow

FORMAT = 1
INCOMPLETE = 3
"""The exit status of a command where a backup lacks files and has everything else."""

ABOUT = "about.json"
MLFLOW, ARTIFACTS = "mlflow.db", "mlartifacts"
TABLES: tuple[Table, ...] = tuple(METADATA.sorted_tables)
"""What others refer to comes first."""

_CHUNK = 1 << 20
_BATCH = 1000
_OWN = {"secrets", "identity", "orphans", "sign_in_links", "workers"}


class About(BaseModel):
    """What a backup says of itself.

    Attributes:
        missing: files that rows name, or that were found and could not be read, and why; the backup has all
            else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    dahlia: str
    schema_revision: str
    made: datetime
    rows: dict[str, int]
    files: int
    missing: dict[str, str] = {}


def table_name(table: str) -> str:
    """Where a table's rows are."""
    return f"tables/{table}.jsonl"


def file_name(key: str) -> str:
    """Where a file of the storage is."""
    return f"files/{key}"


def add_tracking(archive: zipfile.ZipFile, home: Path, scratch: Path) -> dict[str, str]:
    """Add MLflow's database, as it is at one moment, and its artifacts; nothing where there are none.

    Args:
        archive: is written to.
        home: where they are.
        scratch: a file that may be written, and is gone afterwards.

    Returns:
        What could not be read, and why.
    """
    missing: dict[str, str] = {}
    database = home / MLFLOW
    if not database.exists():
        return missing
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(scratch)) as target:
            source.backup(target)
        archive.write(scratch, f"tracking/{MLFLOW}")
    except sqlite3.Error as error:
        if _is_full(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        missing[f"tracking/{MLFLOW}"] = str(error)
    finally:
        scratch.unlink(missing_ok=True)
    for path in sorted((home / ARTIFACTS).rglob("*")):
        name = f"tracking/{path.relative_to(home).as_posix()}"
        if path.is_file() and (fault := _add_file(archive, path, name)):
            missing[name] = fault
    return missing


def extract_tracking(archive: zipfile.ZipFile, home: Path) -> None:
    """Put them back."""
    for info in archive.infolist():
        if not info.filename.startswith("tracking/") or info.is_dir():
            continue
        target = (home / info.filename.removeprefix("tracking/")).resolve()
        if not target.is_relative_to(home.resolve()):
            continue  # a name that leads out of the home was not written by us
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)


def lines(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The lines of a member."""
    with archive.open(name) as member:
        yield from member


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
        batch.append(
            {
                column.name: _typed(column.type, _value(values, column))
                for column in table.columns
                if column.name in values or column.server_default is None
            }
        )
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


def _add_file(archive: zipfile.ZipFile, path: Path, name: str) -> str | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:  # deleted since it was listed
        return None
    except OSError as error:
        return error.strerror
    archive.writestr(name, data)
    return None


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"


def _plain(kind: object, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, Instant):
        return value.isoformat()
    if isinstance(kind, LargeBinary):
        return base64.b64encode(value).decode()
    return value


def _value(values: dict[str, Any], column: Column[Any]) -> Any:
    # What may be empty may be missing, as what has a default: backups of earlier schemas lack such columns.
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
