"""What deletions and kills leave behind: finished or removed in the background.

Files whose rows were deleted are kept for some hours, in case of a mistake.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from dahlia.errors import DahliaError
from dahlia.server.background import FaultLog, Repeated
from dahlia.server.cleaning.orphans import clean_orphans, find_orphans
from dahlia.server.database.tables import DiscardRow, IdentityRow
from dahlia.server.database.work_tables import JobRow
from dahlia.server.jobs.job import JobKind, State
from dahlia.server.ownership import HISTORY, IMAGE, ITERATION, PREDICTION, Owner, discard_owner, named
from dahlia.server.pairing import check
from dahlia.server.projects.projects import finish_deletions
from dahlia.server.storage.names import (
    EXPORTS,
    history_key,
    image_key,
    iteration_prefix,
    resized_key,
    thumbnail_key,
)

if TYPE_CHECKING:
    from dahlia.server.context import Server

_HOUR = 3600.0
_SETTLED = timedelta(minutes=1)

_logger = logging.getLogger("dahlia.server")

BATCH = 500
_ROUNDING = timedelta(milliseconds=1)  # of SQLite's clock
_PLACE = tuple_(DiscardRow.kind, DiscardRow.name)
# An old database that was adopted may have lost the images that were made of its stored predictions.
_UNSURE = timedelta(days=90)


def clean(server: Server) -> None:
    """Finish deletions that were cut off, and delete the files of what was deleted some hours ago.

    While a disk is short of room, files of what was deleted go within minutes.

    Raises:
        DahliaError: database or storage cannot be used, or do not belong together; nothing was deleted then.
    """
    check(server.database, server.storage)
    settings = server.settings.cleaning
    deletions = finish_deletions(server)
    kept, settling = timedelta(hours=settings.deleted_hours), timedelta(minutes=settings.settling_minutes)
    if server.space.shortage():  # nothing is uploaded meanwhile, and what was deleted makes room
        kept, settling = timedelta(0), min(settling, _SETTLED)
    deleted = delete_discarded(server, kept, settling)
    if deletions or deleted:
        _logger.info(
            "Cleaned: finished the deletion of %d projects, deleted the files of %d images and iterations.",
            deletions, deleted,
        )  # fmt: skip


def search(server: Server) -> None:
    """Bring the list of orphans up to date; delete the few that have been on it for long enough.

    Raises:
        DahliaError: see `clean`.
    """
    check(server.database, server.storage)
    found = find_orphans(server)
    if found.new:
        _logger.warning(
            "%d files (%d MB) in the storage belong to no image and no iteration, %d more than before. They "
            "are kept for at least %d days; `dahlia orphans list` shows them.",
            found.orphans, found.size >> 20, found.new, server.settings.cleaning.orphan_days,
        )  # fmt: skip
    deleted = clean_orphans(server, found, timedelta(days=server.settings.cleaning.orphan_days))
    temporary = server.storage.sweep()
    if deleted or temporary:
        _logger.info("Deleted %d orphans and %d unfinished files.", deleted, temporary)


class Cleaning:
    """Cleans in the background: what was deleted every minute, orphans at the start and once a day.

    Args:
        server: what is cleaned.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._searched = -float("inf")
        self._faults = FaultLog(_logger)
        every = server.settings.cleaning.every_seconds
        self._thread = Repeated("cleaning", every, self._turn, at_once=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; a search that is under way may be cut off anywhere."""
        self._thread.stop(patience=0)

    def _turn(self) -> None:
        try:
            clean(self._server)
            if time.monotonic() - self._searched >= self._server.settings.cleaning.search_hours * _HOUR:
                search(self._server)
                self._searched = time.monotonic()
        except DahliaError as error:
            self._faults.log(f"Nothing could be cleaned; it is tried again every minute. {error}")
        else:
            self._faults.forget()


def delete_discarded(server: Server, kept: timedelta, settling: timedelta) -> int:
    """Delete the files of images, iterations and projects that were deleted, unless a row names them again.

    Those of stored predictions, which make room for younger ones, are not kept longer than `settling`.

    Args:
        server: has database and files.
        kept: how long ago the deletion must be.
        settling: how long a request may take: it may be about to name a file again.

    Returns:
        How many images, iterations and histories have no file any more.

    Raises:
        DahliaError: database or storage cannot be used.
    """
    if _is_importing(server):  # it names images of another project, and its rows come last
        return 0
    due = chain(
        _due(server, (IMAGE, ITERATION, HISTORY), server.now() - max(kept, settling)),
        _due(server, (PREDICTION,), server.now() - settling),
    )
    return sum(_delete(server, rows) for rows in due)


def _is_importing(server: Server) -> bool:
    waits = JobRow.kind == JobKind.IMPORT, JobRow.state.in_((State.WAITING, State.RUNNING))
    with server.database.read() as session:
        return session.scalar(select(JobRow.key).where(*waits).limit(1)) is not None


def _due(server: Server, kinds: Collection[str], until: datetime) -> Iterator[list[DiscardRow]]:
    after = ("", "")
    while True:
        due = select(DiscardRow).where(DiscardRow.kind.in_(kinds), DiscardRow.moment <= until, after < _PLACE)
        due = due.order_by(DiscardRow.kind, DiscardRow.name).limit(BATCH)
        with server.database.read() as session:
            rows = list(session.scalars(due))
        if not rows:
            return
        after = rows[-1].kind, rows[-1].name
        yield rows


def _delete(server: Server, rows: Sequence[DiscardRow]) -> int:
    with server.database.read() as session:
        needed = named(session, map(discard_owner, rows)) | _spared(session, rows, server.now())
    gone = [_is_gone(server, row) for row in rows if discard_owner(row) not in needed]
    with server.database.write() as session:
        ended = delete(DiscardRow).where(_PLACE.in_([(row.kind, row.name) for row in rows]))
        session.execute(ended.execution_options(synchronize_session=False))
    return sum(gone)


def _spared(session: Session, rows: Sequence[DiscardRow], now: datetime) -> set[Owner]:
    """Owners of files that a prediction leaves, and that are kept for another reason than a row."""
    names = [row.name for row in rows if row.kind == PREDICTION]
    if not names:
        return set()
    identity = session.get(IdentityRow, 1)
    if identity is None or (identity.earlier and now - identity.made < _UNSURE):
        return {discard_owner(row) for row in rows if row.kind == PREDICTION}
    images = select(DiscardRow).where(DiscardRow.kind == IMAGE, DiscardRow.name.in_(names))
    return {discard_owner(row) for row in session.scalars(images)}


def _is_gone(server: Server, row: DiscardRow) -> bool:
    """Delete the files of a row that were written before the deletion, and say whether none is left.

    A younger one was uploaded again since. Should no row name it, the row was lost: the search lists it.
    """
    before = row.moment + _ROUNDING
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
