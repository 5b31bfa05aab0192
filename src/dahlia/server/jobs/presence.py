"""Which workers there are: each says now and then that it is there, and a job that runs says it as well.

Only what is shown depends on it. Jobs are taken over by their leases, which compare no clocks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dahlia.server.context import Server
from dahlia.server.database.errors import DatabaseError
from dahlia.server.database.work_tables import JobRow, WorkerRow
from dahlia.server.jobs.job import Lane, State

SAID_SECONDS = 15.0
ALIVE_SECONDS = 60.0
"""Seconds after which a worker that says nothing and has no job counts as gone."""
_FORGOTTEN = timedelta(days=1)


class Presence:
    """Says that a worker is there.

    Args:
        server: whose jobs it does.
        name: of the worker.
        lane: which jobs it takes.
    """

    def __init__(self, server: Server, name: str, lane: Lane) -> None:
        self._server = server
        self._name = name
        self._lane = lane
        self._started = server.now()
        self._said: float | None = None

    def say(self) -> None:
        """Say it, unless it was said a moment ago or the database cannot be written."""
        now = time.monotonic()
        if self._said is not None and now - self._said < SAID_SECONDS:
            return
        self._said = now
        seen = self._server.now()
        try:
            with self._server.database.write() as session:
                session.execute(delete(WorkerRow).where(WorkerRow.seen < seen - _FORGOTTEN))
                session.merge(WorkerRow(name=self._name, lane=self._lane, started=self._started, seen=seen))
        except DatabaseError:
            return  # who takes jobs tells what is wrong with the database

    def leave(self) -> None:
        """Say that it ends."""
        try:
            with self._server.database.write() as session:
                session.execute(delete(WorkerRow).where(WorkerRow.name == self._name))
        except DatabaseError:
            return


@dataclass(frozen=True)
class Worker:
    """A worker that is there.

    Attributes:
        name: of it.
        lane: which jobs it takes.
        started: when it began; None if it never reported.
        seen: when it reported last; likewise.
        job: id of the job that it does; None where it has none.
    """

    name: str
    lane: Lane
    started: datetime | None
    seen: datetime | None
    job: str | None


def workers_of(session: Session, now: datetime) -> list[Worker]:
    """The workers that reported lately, and those that have a job; by their names."""
    running = select(JobRow.worker, JobRow.worker_lane, JobRow.id).where(JobRow.state == State.RUNNING)
    busy = {worker: (lane or Lane.ALL, job) for worker, lane, job in session.execute(running) if worker}
    known = {row.name: row for row in session.scalars(select(WorkerRow))}
    since = now - timedelta(seconds=ALIVE_SECONDS)
    names = busy.keys() | {name for name, row in known.items() if row.seen > since}
    return [_worker(name, known.get(name), busy.get(name)) for name in sorted(names)]


def _worker(name: str, row: WorkerRow | None, busy: tuple[str, str] | None) -> Worker:
    lane = row.lane if row else busy[0] if busy else Lane.ALL
    return Worker(
        name, Lane(lane), row.started if row else None, row.seen if row else None, busy[1] if busy else None
    )
