"""Whose the files of the storage are: of which server, and of which rows of its database.

The file `identity.json` of the storage says whose it is, and how far the database had come. Other files have
the name of what they belong to: an image, an iteration, or a project's history.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dahlia.errors import ConfigError
from dahlia.server.database.tables import AuditRow, DiscardRow, ImageRow, KeyRow, ProjectRow
from dahlia.server.database.work_tables import IterationRow, PredictionRow
from dahlia.server.storage.backend import NotThere
from dahlia.server.storage.names import (
    EXPORTS,
    HISTORIES,
    IDENTITY,
    IMAGES,
    ITERATIONS,
    RESIZED,
    THUMBNAILS,
    is_id,
    sha256_of_key,
)

if TYPE_CHECKING:
    from dahlia.server.storage.storage import Storage

SAMPLE = 200  # files that are looked up
FOLDERS = (IMAGES, THUMBNAILS, RESIZED, ITERATIONS, EXPORTS, HISTORIES)
BATCH = 500  # owners looked up at once
IMAGE, PREDICTION, ITERATION, HISTORY = "image", "prediction", "iteration", "history"

_Item = TypeVar("_Item")
_COLUMNS = {
    IMAGE: (ImageRow.sha256, PredictionRow.sha256),
    ITERATION: (IterationRow.id,),
    HISTORY: (ProjectRow.id,),
}


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
    """The file `identity.json`.

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


class Owner(NamedTuple):
    """Whose file it is.

    Attributes:
        kind: `image`, `iteration` or `history`.
        name: SHA-256 of an image, id of an iteration, id of a project.
    """

    kind: str
    name: str


def owner_of(key: str) -> Owner | None:
    """To what a file belongs; None where its name was not given by this server."""
    folder, _, rest = key.partition("/")
    if folder in (IMAGES, THUMBNAILS, RESIZED):
        content = sha256_of_key(key)
        return Owner(IMAGE, content) if content else None
    if folder in (ITERATIONS, EXPORTS):
        return _with_id(ITERATION, rest.partition("/")[0])
    return _with_id(HISTORY, PurePosixPath(rest).stem) if folder == HISTORIES else None


def named(session: Session, owners: Iterable[Owner]) -> set[Owner]:
    """Those that a row of the database names."""
    found: set[Owner] = set()
    for kind, names in _by_kind(owners).items():
        for column in _COLUMNS[kind]:
            for some in batches(sorted(names), BATCH):
                rows = session.scalars(select(column).where(column.in_(some)))
                found.update(Owner(kind, name) for name in rows)
    return found


def all_discarded(session: Session) -> set[Owner]:
    """Those whose rows are known to have been deleted, and whose files may still be there."""
    rows = session.scalars(select(DiscardRow).execution_options(yield_per=1000))
    return {discard_owner(row) for row in rows}


def discard_owner(row: DiscardRow) -> Owner:
    """Whose files a deletion left."""
    if row.kind in (IMAGE, PREDICTION):
        return Owner(IMAGE, row.name.partition(".")[0])
    return Owner(row.kind, str(UUID(row.name)))


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of at most `size` items."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def _position(row: AuditRow | None) -> Position:
    return Position(line=row.key, moment=row.moment, request=row.request) if row else Position()


def _keys(storage: Storage, folder: str) -> Iterator[str]:
    return (entry.key for entry in storage.keys(folder))


def _by_kind(owners: Iterable[Owner]) -> dict[str, Collection[str]]:
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for owner in owners:
        kinds[owner.kind].add(owner.name)
    return dict(kinds)


def _with_id(kind: str, text: str) -> Owner | None:
    return Owner(kind, text) if is_id(text) else None
