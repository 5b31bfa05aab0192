"""To what a file in the storage belongs, and whether a row still names it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.server.database.server_tables import DiscardRow
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.work_tables import IterationRow, PredictionRow
from dahlia.server.storage.names import (
    EXPORTS,
    HISTORIES,
    IMAGES,
    ITERATIONS,
    RESIZED,
    THUMBNAILS,
    is_id,
    sha256_of_key,
)

FOLDERS = (IMAGES, THUMBNAILS, RESIZED, ITERATIONS, EXPORTS, HISTORIES)
BATCH = 500  # owners looked up at once

IMAGE, PREDICTION, ITERATION, HISTORY = "image", "prediction", "iteration", "history"

_Item = TypeVar("_Item")


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


_COLUMNS = {
    IMAGE: (ImageRow.sha256, PredictionRow.sha256),
    ITERATION: (IterationRow.id,),
    HISTORY: (ProjectRow.id,),
}


def _by_kind(owners: Iterable[Owner]) -> dict[str, Collection[str]]:
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for owner in owners:
        kinds[owner.kind].add(owner.name)
    return dict(kinds)


def _with_id(kind: str, text: str) -> Owner | None:
    return Owner(kind, text) if is_id(text) else None
