"""A job in a worker's hands: it beats, hears what is to become of it, and ends in one transaction."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Self

from sqlalchemy.orm import Session

from dahlia.server.database.errors import DatabaseError
from dahlia.server.database.sessions import Database
from dahlia.server.database.work_tables import JobRow
from dahlia.server.jobs.job import Claimed, Directive, Interrupted, end_well
from dahlia.server.jobs.queue import beat, held

_RETRY_SECONDS = 1.0
_OVERDUE_SECONDS = 5.0

_logger = logging.getLogger("dahlia.worker")


class Reason(StrEnum):
    """Why a job is to stop before it is done."""

    CANCELLED = "cancelled"
    LOST = "lost"
    STOPPED = "its worker ends"
    OVERDUE = "it takes too long"


class Task:
    """A claimed job while it is worked on; a thread of its own keeps it alive.

    Args:
        database: with the queue.
        claimed: the job.
        stop: set when the worker is to end.
        beat_seconds: between two signs of life.

    Attributes:
        claimed: the job.
        began: when, by a clock that only grows.
        seconds: after which it takes too long; None for never.
    """

    def __init__(
        self, database: Database, claimed: Claimed, stop: threading.Event, beat_seconds: float
    ) -> None:
        self.claimed = claimed
        self.began = time.monotonic()
        self.seconds: float | None = None
        self._database = database
        self._stop = stop
        self._pause = beat_seconds
        self._directive = Directive.GO_ON
        self._progress: dict[str, object] = {}
        self._due = math.inf
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, name=f"job-{claimed.id}", daemon=True)

    def __enter__(self) -> Self:
        """Begin to beat."""
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Beat no more."""
        self._over.set()
        self._heart.join()

    @property
    def elapsed(self) -> float:
        """Seconds since it was begun here."""
        return time.monotonic() - self.began

    @property
    def reason(self) -> Reason | None:
        """Why it is to stop; None while it may go on."""
        if self._directive is Directive.LOST:
            return Reason.LOST
        if self._directive is Directive.CANCEL:
            return Reason.CANCELLED
        if self._stop.is_set():
            return Reason.STOPPED
        if self.seconds is not None and self.elapsed > self.seconds:
            return Reason.OVERDUE
        return None

    def must_stop(self) -> bool:
        """Whether it is to stop."""
        return self.reason is not None

    def check(self) -> None:
        """Go on if it may.

        Raises:
            Interrupted: it is to stop.
        """
        if self.must_stop():
            raise Interrupted(f"The job {self.claimed.id} stops: {self.reason}.")

    def report(self, stage: str, fraction: float, seconds_left: float | None = None) -> None:
        """Say how far it is; clients see it with the next beat.

        Args:
            stage: what is being done.
            fraction: of the whole that is done, 0 to 1.
            seconds_left: thought to be left; forgotten when they are over and it still runs.
        """
        left = None if seconds_left is None else round(seconds_left, 1)
        self._due = math.inf if left is None else time.monotonic() + left + _OVERDUE_SECONDS
        self._progress = {"stage": stage, "fraction": round(fraction, 3), "seconds_left": left}

    def complete(self, writing: Callable[[Session, JobRow], None]) -> None:
        """Write that it is done, and what it made, in one transaction; see `settle`.

        Args:
            writing: writes what it made; may be called again after a transaction that did not go through.

        Raises:
            Interrupted: it was cancelled, and the client knows.
            LeaseLost: another has it.
            DatabaseError: the worker is to end, and the database is away.
        """

        def ending(session: Session, job: JobRow) -> None:
            if job.cancel:
                raise Interrupted(f"The job {job.id} was cancelled.")
            writing(session, job)
            end_well(job, datetime.now(UTC))

        self.settle(ending)

    def settle(self, ending: Callable[[Session, JobRow], None]) -> None:
        """Write how it ended, if it is still this worker's; where the database is away, wait for it.

        Args:
            ending: writes it; may be called again after a transaction that did not go through.

        Raises:
            LeaseLost: another has it.
            DatabaseError: the worker is to end, and the database is away.
        """
        while True:
            try:
                with self._database.write() as session:
                    ending(session, held(session, self.claimed))
                return
            except DatabaseError as error:
                _logger.warning("The end of job %s cannot be written yet. %s", self.claimed.id, error)
                if self._stop.wait(_RETRY_SECONDS):
                    raise

    def _beat(self) -> None:
        while True:
            if time.monotonic() > self._due:
                self._progress = self._progress | {"seconds_left": None}
            try:
                self._directive = beat(self._database, self.claimed, self._progress)
            except DatabaseError as error:
                _logger.warning("Job %s could not give a sign of life. %s", self.claimed.id, error)
            if self._directive is Directive.LOST or self._over.wait(self._pause):
                return
