"""Files whose rows were deleted: kept for some hours, in case of a mistake, then deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, tuple_

from dahlia.server.cleaning.owners import HISTORY, IMAGE, discard_owner, named
from dahlia.server.jobs.records import Kind, State
from dahlia.server.storage.names import (
    EXPORTS,
    history_key,
    image_key,
    iteration_prefix,
    resized_key,
    thumbnail_key,
)
from dahlia.server.store.file_tables import DiscardRow
from dahlia.server.store.work_tables import JobRow

if TYPE_CHECKING:
    from dahlia.server.context import Server

BATCH = 500


def delete_discarded(server: Server, kept: timedelta, settling: timedelta) -> int:
    """Delete the files of images, iterations and projects that were deleted, unless a row names them again.

    Args:
        server: has database and files.
        kept: how long ago the deletion must be.
        settling: younger files stay for now: an upload writes them before their row.

    Returns:
        How many images, iterations and histories have no file any more.

    Raises:
        DahliaError: database or storage cannot be used.
    """
    if _is_importing(server):  # it names images of another project, and its rows come last
        return 0
    before = server.now() - settling
    return sum(_delete(server, rows, before) for rows in _due(server, server.now() - kept))


def _is_importing(server: Server) -> bool:
    waits = JobRow.kind == Kind.IMPORT, JobRow.state.in_((State.WAITING, State.RUNNING))
    with server.database.read() as session:
        return session.scalar(select(JobRow.key).where(*waits).limit(1)) is not None


def _due(server: Server, until: datetime) -> Iterator[list[DiscardRow]]:
    place = tuple_(DiscardRow.kind, DiscardRow.name)
    after = ("", "")
    while True:
        due = select(DiscardRow).where(DiscardRow.moment <= until, place > after)
        due = due.order_by(DiscardRow.kind, DiscardRow.name).limit(BATCH)
        with server.database.read() as session:
            rows = list(session.scalars(due))
        if not rows:
            return
        after = rows[-1].kind, rows[-1].name
        yield rows


def _delete(server: Server, rows: Sequence[DiscardRow], before: datetime) -> int:
    owners = {(row.kind, row.name): discard_owner(row) for row in rows}
    with server.database.read() as session:
        in_use = named(session, owners.values())
    gone = [row for row in rows if owners[row.kind, row.name] not in in_use and _is_gone(server, row, before)]
    done = {(row.kind, row.name) for row in gone}
    done |= {place for place, owner in owners.items() if owner in in_use}
    if done:
        with server.database.write() as session:
            place = tuple_(DiscardRow.kind, DiscardRow.name)
            ended = delete(DiscardRow).where(place.in_(done))
            session.execute(ended.execution_options(synchronize_session=False))
    return len(gone)


def _is_gone(server: Server, row: DiscardRow, before: datetime) -> bool:
    """Delete the files of a row, and say whether none is left."""
    left = [key for key in _keys(server, row) if not server.storage.delete_stale(key, before)]
    return not left


def _keys(server: Server, row: DiscardRow) -> list[str]:
    owner = discard_owner(row)
    if owner.kind == IMAGE:
        suffix = row.name.removeprefix(owner.name)
        return [image_key(owner.name, suffix), thumbnail_key(owner.name), resized_key(owner.name)]
    if owner.kind == HISTORY:
        return [history_key(owner.name)]
    folders = (iteration_prefix(owner.name), f"{EXPORTS}/{owner.name}")
    return [entry.key for folder in folders for entry in server.storage.keys(folder)]
