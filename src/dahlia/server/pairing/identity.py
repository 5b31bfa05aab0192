"""What database and storage tell of each other: the server's id, the last change, and what both hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import func, select

from dahlia.errors import ConfigError
from dahlia.server.cleaning.owners import named, owner_of
from dahlia.server.database.server_tables import AuditRow, KeyRow
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.work_tables import IterationRow, PredictionRow
from dahlia.server.storage.errors import NotThere
from dahlia.server.storage.names import IDENTITY, IMAGES, ITERATIONS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from dahlia.server.storage.storage import Storage

SAMPLE = 200  # files that are looked up


class Position(BaseModel):
    """A line of the audit log: what the database had done when the storage last heard of it.

    Attributes:
        line: the line's number; 0 where there was none yet.
        moment: its time.
        request: the request that it names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    line: int = 0
    moment: datetime | None = None
    request: str = ""


class StoredIdentity(BaseModel):
    """The file.

    Attributes:
        server: id of the server whose files these are.
        earlier: ids of the servers that it continues.
        made: when it was first written.
        position: how far the database had come.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: str
    earlier: tuple[str, ...] = ()
    made: datetime
    position: Position = Position()


def read_identity(storage: Storage) -> StoredIdentity | None:
    """What the storage says; None where it says nothing.

    Raises:
        StorageError: it cannot be read.
        ConfigError: the file is damaged.
    """
    try:
        text = storage.get(IDENTITY)
    except NotThere:
        return None
    try:
        return StoredIdentity.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(
            f"Expected the identity of a server in the file {IDENTITY} of {storage.place}, received "
            "something else. Restore that file, or run `dahlia adopt`, which writes another."
        ) from error


def write_identity(storage: Storage, identity: StoredIdentity) -> None:
    """Replace what the storage says.

    Raises:
        StorageError: it cannot be written.
    """
    text = json.dumps(identity.model_dump(mode="json"), indent=2) + "\n"
    storage.put(IDENTITY, text.encode())


def position_of(session: Session) -> Position:
    """How far a database has come: its last line of the audit log, in which every change is."""
    return _position(session.scalar(select(AuditRow).order_by(AuditRow.key.desc()).limit(1)))


def has_passed(session: Session, position: Position) -> bool:
    """Whether a database once was at a position: it has that very line."""
    return position.line == 0 or _position(session.get(AuditRow, position.line)) == position


def is_new(session: Session) -> bool:
    """Whether a database has never been used: no key, no project."""
    return not any(session.scalar(select(table.key).limit(1)) for table in (KeyRow, ProjectRow))


def count_images(session: Session) -> int:
    """How many images a database names."""
    return session.scalar(select(func.count(func.distinct(ImageRow.sha256)))) or 0


def names_files(session: Session) -> bool:
    """Whether a database names any file."""
    trained = select(IterationRow.key).where(IterationRow.files.is_(True)).limit(1)
    rows = (select(ImageRow.key).limit(1), select(PredictionRow.key).limit(1), trained)
    return any(session.scalar(row) is not None for row in rows)


def sample(storage: Storage) -> list[str]:
    """Some files of images and iterations, at most `SAMPLE` of each.

    Raises:
        StorageError: the storage cannot be read.
    """
    return [key for folder in (IMAGES, ITERATIONS) for key in islice(_keys(storage, folder), SAMPLE)]


def knows_some(session: Session, keys: list[str]) -> bool:
    """Whether a database names any of these files."""
    return bool(named(session, filter(None, map(owner_of, keys))))


def _position(row: AuditRow | None) -> Position:
    return Position(line=row.key, moment=row.moment, request=row.request) if row else Position()


def _keys(storage: Storage, folder: str) -> Iterator[str]:
    return (entry.key for entry in storage.keys(folder))
