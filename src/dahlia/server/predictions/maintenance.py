"""The thread that writes kept predictions to the database, and deletes those too old or too many."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select

from dahlia.errors import DahliaError
from dahlia.server.background import Repeated
from dahlia.server.database.work_tables import PredictionRow
from dahlia.server.predictions.journal import Journal

if TYPE_CHECKING:
    from dahlia.server.context import Server


_SECONDS = 2.0
_TURN = 30.0  # seconds that one turn may take
_TIDY_SECONDS = 3600.0
_BATCH = 500  # predictions that one transaction deletes
_TIDY_SHARE = 16  # of the bytes that are kept, what may come until the old are looked after

_logger = logging.getLogger("dahlia.server")


class Maintenance:
    """Works in the background from `start` to `stop`.

    Args:
        server: its settings say what is kept.
        journal: is followed.
    """

    def __init__(self, server: Server, journal: Journal) -> None:
        self._server = server
        self._journal = journal
        self._tidied: tuple[float, int] | None = None
        self._complaint = ""
        self._thread = Repeated("journal", _SECONDS, self.turn, at_once=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until it has."""
        self._thread.stop(patience=_TURN)

    def turn(self, seconds: float = _TURN) -> None:
        """Do what is due; faults are logged, once each."""
        try:
            self._journal.catch_up(seconds)
            self._tidy()
            self._complaint = ""
        except DahliaError as error:
            if str(error) != self._complaint:
                _logger.error("Kept predictions wait to be stored. %s", error)
            self._complaint = str(error)

    def _tidy(self) -> None:
        now, taken = time.monotonic(), self._journal.taken
        share = (self._server.settings.predictions.max_mb << 20) / _TIDY_SHARE
        if self._tidied and now - self._tidied[0] < _TIDY_SECONDS and taken - self._tidied[1] < share:
            return
        self._tidied = now, taken
        if deleted := delete_old(self._server):
            _logger.info("Deleted %d predictions: too old, or too many.", deleted)


class _Row(NamedTuple):
    key: int
    size: int


def delete_old(server: Server) -> int:
    """Delete predictions and suggestions over `predictions.days`, and the oldest beyond `predictions.max_mb`.

    Cleaning deletes the files of images that nothing else names.

    Returns:
        How many predictions and suggestions were deleted.

    Raises:
        DahliaError: database or storage cannot be used.
    """
    kept = server.settings.predictions
    deleted = 0
    while rows := _oldest(server, PredictionRow.created < server.now() - timedelta(days=kept.days)):
        deleted += _delete(server, rows)
    with server.database.read() as session:
        excess = (session.scalar(select(func.sum(PredictionRow.size))) or 0) - (kept.max_mb << 20)
    while excess > 0 and (rows := _oldest(server, PredictionRow.image_key.is_(None))):
        rows = _first(rows, excess)
        deleted += _delete(server, rows)
        excess -= sum(row.size for row in rows)
    return deleted


def _oldest(server: Server, which: ColumnElement[bool]) -> list[_Row]:
    columns = (PredictionRow.key, PredictionRow.size)
    with server.database.read() as session:
        found = session.execute(select(*columns).where(which).order_by(PredictionRow.key).limit(_BATCH))
        return [_Row(*row) for row in found]


def _first(rows: list[_Row], size: int) -> list[_Row]:
    """As many of them as it takes to have `size` bytes."""
    sums = accumulate(row.size for row in rows)
    return rows[: next((place for place, total in enumerate(sums, 1) if total >= size), len(rows))]


def _delete(server: Server, rows: Sequence[_Row]) -> int:
    with server.database.write() as session:
        gone = delete(PredictionRow).where(PredictionRow.key.in_([row.key for row in rows]))
        session.execute(gone.execution_options(synchronize_session=False))
    return len(rows)
