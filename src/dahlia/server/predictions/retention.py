"""What is deleted of stored predictions: the oldest, when they are too old or take too much room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select

from dahlia.server.database.work_tables import PredictionRow

if TYPE_CHECKING:
    from dahlia.server.context import Server

_BATCH = 500


class _Row(NamedTuple):
    key: int
    size: int


def delete_old(server: Server) -> int:
    """Delete predictions and suggestions over `predictions.days`, and the oldest beyond `predictions.max_mb`.

    Cleaning deletes the files of images that nothing else names.

    Returns:
        How many predictions and suggestions were deleted.

    Raises:
        DahliaError: store or files cannot be used.
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
