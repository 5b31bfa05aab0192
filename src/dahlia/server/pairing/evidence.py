"""What a database and a storage hold, as far as that tells whether they belong together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from dahlia.server.cleaning.owners import named, owner_of
from dahlia.server.database.server_tables import KeyRow
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.work_tables import IterationRow, PredictionRow
from dahlia.server.storage.names import IMAGES, ITERATIONS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from dahlia.server.storage.storage import Storage

SAMPLE = 200  # files that are looked up


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


def _keys(storage: Storage, folder: str) -> Iterator[str]:
    return (entry.key for entry in storage.keys(folder))
