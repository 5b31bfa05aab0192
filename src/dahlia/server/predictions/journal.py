"""From the journal into the database: predictions that were kept in segments become rows and images.

A prediction is answered once it is in a segment, which takes a tenth of a millisecond; rows and thumbnails
follow within seconds, and before any query. How far a segment has come is written in the transaction that
inserts its rows, so that a prediction comes once whenever the process is killed, and one that was deleted
does not come again. A segment whose every record is in the database is deleted. The same thread deletes
predictions that are too old or too many.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select

from dahlia.errors import DahliaError, DatasetError
from dahlia.server.background import Repeated
from dahlia.server.database.work_tables import JournalRow, PredictionRow
from dahlia.server.images.validation import Limits, Refused, receive
from dahlia.server.predictions.rows import Arrived, insert_arrived
from dahlia.server.storage.backend import disk_fault
from dahlia.server.storage.names import image_key, thumbnail_key
from dahlia.serving.stored.reading import Stored, stored_in
from dahlia.serving.stored.segments import MAGIC, START_BYTES, began, is_being_written, segments_in

if TYPE_CHECKING:
    from dahlia.server.context import Server

_BATCH = 64
_BATCH_BYTES = 16 << 20
_YOUNG = 60.0  # seconds; a segment has no lock in its first moment
_ANY = Limits(max_bytes=1 << 40, max_edge=1 << 20, max_aspect=math.inf)  # it was predicted, so it decodes
_EVERY_SECONDS = 2.0
_TURN = 30.0  # seconds that one turn may take
_TIDY_SECONDS = 3600.0
_DELETED_AT_ONCE = 500  # predictions that one transaction deletes
_TIDY_SHARE = 16  # of the bytes that are kept, what may come until the old are looked after

_logger = logging.getLogger("dahlia.server")


class Journal:
    """Follows the segments in a folder of this machine; several processes may share it.

    Args:
        server: its database and storage take what comes.
        folder: of the segments.

    Attributes:
        taken: bytes of images that this process has brought into the storage.
    """

    def __init__(self, server: Server, folder: Path) -> None:
        self.taken = 0
        self._server = server
        self._folder = folder
        self._done: dict[str, int] = {}
        self._lock = threading.Lock()

    def catch_up(self, seconds: float) -> bool:
        """Bring what was kept before this call into the database.

        Args:
            seconds: after which to leave the rest to the next call.

        Returns:
            Whether all of it is there; nothing is brought while the disks are short of room.

        Raises:
            DahliaError: database or storage cannot be used; what is in the journal stays there.
        """
        if self._server.space.shortage():
            return False
        deadline = time.monotonic() + seconds
        try:
            with self._alone(deadline) as alone:
                return alone and all(self._take_over(one, deadline) for one in segments_in(self._folder))
        except OSError as error:
            raise disk_fault(str(self._folder), error) from error

    @contextmanager
    def _alone(self, deadline: float) -> Iterator[bool]:
        """Whether neither a thread nor another process is at it; waits for them until the deadline."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            yield False
            return
        try:
            with _locked(self._folder / ".lock", deadline) as locked:
                yield locked
        finally:
            self._lock.release()

    def _take_over(self, segment: Path, deadline: float) -> bool:
        try:
            closed = not is_being_written(segment)
            size = segment.stat().st_size
        except FileNotFoundError:
            return True
        if size > self._done.get(segment.name, START_BYTES):
            if not self._store_all(segment, deadline):
                return False
            self._done[segment.name] = size
        if closed and _may_go(segment, size):
            self._discard(segment)
        return True

    def _store_all(self, segment: Path, deadline: float) -> bool:
        with self._server.database.read() as session:
            place = session.scalar(select(JournalRow.place).where(JournalRow.segment == segment.name))
        for batch in _batches(stored_in(segment, place or 0)):
            if time.monotonic() > deadline:
                return False
            self._store(segment, batch)
        return True

    def _store(self, segment: Path, batch: Sequence[Stored]) -> None:
        arrived = list(_received(batch))
        files = {image_key(one.image.sha256, one.image.suffix): one.image.data for one in arrived}
        files |= {thumbnail_key(one.image.sha256): one.image.thumbnail for one in arrived}
        self._server.storage.put_many(files)
        with self._server.database.write() as session:
            insert_arrived(session, arrived)
            session.merge(JournalRow(segment=segment.name, place=batch[-1].record.end))
        self.taken += sum(one.image.size for one in arrived)

    def _discard(self, segment: Path) -> None:
        segment.unlink(missing_ok=True)
        self._done.pop(segment.name, None)
        with self._server.database.write() as session:
            session.execute(delete(JournalRow).where(JournalRow.segment == segment.name))


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
        self._thread = Repeated("journal", _EVERY_SECONDS, self.turn, at_once=True)

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


@contextmanager
def _locked(path: Path, deadline: float) -> Iterator[bool]:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while not (locked := _try_lock(file)) and time.monotonic() < deadline:
            time.sleep(0.02)
        yield locked
    finally:
        os.close(file)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _may_go(segment: Path, size: int) -> bool:
    if size <= START_BYTES:
        return began(segment) + _YOUNG < time.time()
    with segment.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC  # one of a later version is for its own program


def _batches(found: Iterable[Stored]) -> Iterator[list[Stored]]:
    batch: list[Stored] = []
    size = 0
    for stored in found:
        batch.append(stored)
        size += stored.record.image_size
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _received(batch: Iterable[Stored]) -> Iterator[Arrived]:
    for stored in batch:
        try:
            yield Arrived(receive(stored.image(), _ANY), _checked(stored.facts))
        except (Refused, DatasetError) as error:
            _logger.warning("The prediction %s is not kept: %s", stored.facts.get("id"), error)


def _checked(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts, if both databases can hold them.

    Raises:
        DatasetError: a probability is no number.
    """
    if not all(math.isfinite(one["probability"]) for one in facts["predictions"]):
        raise DatasetError("Expected probabilities from 0 to 1, received others. Train the model again.")
    application = facts.get("application")
    return facts | {"application": application.replace("\0", "") if application else None}


class _Row(NamedTuple):
    key: int
    size: int


def _oldest(server: Server, which: ColumnElement[bool]) -> list[_Row]:
    columns = (PredictionRow.key, PredictionRow.size)
    with server.database.read() as session:
        found = session.execute(
            select(*columns).where(which).order_by(PredictionRow.key).limit(_DELETED_AT_ONCE)
        )
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
