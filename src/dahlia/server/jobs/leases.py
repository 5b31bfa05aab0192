"""Which workers there are, and taking jobs back from those that are gone.

A worker raises its job's counter while it lives. Who sees a counter stand still for long enough takes the job
from it: by a clock of its own that only grows, so that clocks which jump or differ change nothing.

A worker also says now and then that it is there. Only what is shown depends on that.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from dahlia.server.background import Repeated
from dahlia.server.context import Server
from dahlia.server.database.errors import DatabaseError
from dahlia.server.database.sessions import Database
from dahlia.server.database.work_tables import JobRow, WorkerRow
from dahlia.server.jobs.job import CANCELLED, JobKind, Lane, State, end_badly

MOST_ATTEMPTS = 3
SAID_SECONDS = 15.0
ALIVE_SECONDS = 60.0
"""Seconds after which a worker that says nothing and has no job counts as gone."""
# Between two looks no more than this share of a lease counts: a watch that slept, or could not reach the
# database, has not seen that a worker did not beat.
_LONGEST_STEP = 0.25
_NOUNS = {JobKind.TRAIN: "training", JobKind.EXPORT: "export", JobKind.IMPORT: "import"}
_LOOKS_IN_A_LEASE = 8
_FORGOTTEN = timedelta(days=1)
_logger = logging.getLogger("dahlia.worker")


def new_worker_id() -> str:
    """A name for this process that no other has had: host, process, and a random part."""
    return f"{_on_this_host(os.getpid())}{secrets.token_hex(4)}"


def release(database: Database, pid: int) -> int:
    """Take its jobs from a worker process of this machine that has died.

    Args:
        database: with the queue.
        pid: of the process.

    Returns:
        How many it had.

    Raises:
        DatabaseError: the database cannot be used.
    """
    mine = JobRow.worker.startswith(_on_this_host(pid), autoescape=True)
    with database.write() as session:
        left = session.scalars(_running().where(mine).with_for_update()).all()
        for job in left:
            _take(session, job, datetime.now(UTC))
        return len(left)


def release_the_dead(database: Database) -> int:
    """Take their jobs from the workers of this machine that are gone, as a killed server leaves them.

    Returns:
        How many they had.

    Raises:
        DatabaseError: the database cannot be used.
    """
    here = _host()
    with database.write() as session:
        mine = _running().where(JobRow.worker.startswith(here, autoescape=True)).with_for_update()
        left = [job for job in session.scalars(mine) if not _lives(str(job.worker).removeprefix(here))]
        for job in left:
            _take(session, job, datetime.now(UTC))
        return len(left)


def give_back(session: Session, job: JobRow, *, counted: bool = False) -> None:
    """Let a job wait again.

    Args:
        session: whose transaction this is part of.
        job: that runs.
        counted: whether the attempt counts; it does not where only its worker ended.
    """
    job.state, job.worker, job.worker_lane, job.progress = State.WAITING, None, None, {}
    if not counted:
        job.attempts -= 1
    session.flush()


@dataclass(frozen=True)
class _Seen:
    sign: tuple[str | None, int, int]
    still: float


class Watch:
    """Takes over jobs whose workers give no sign of life.

    Args:
        database: with the queue.
        lease_seconds: how long a job's counter may stand still.
        clock: seconds that only grow.
    """

    def __init__(
        self, database: Database, lease_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._lease = lease_seconds
        self._clock = clock
        self._looked = clock()
        self._seen: dict[int, _Seen] = {}

    def look(self) -> int:
        """Look once; call it several times in a lease.

        Returns:
            How many jobs were taken from their workers.

        Raises:
            DatabaseError: the database cannot be used.
        """
        with self._database.read() as session:
            columns = (JobRow.key, JobRow.worker, JobRow.attempts, JobRow.beat)
            found = session.execute(select(*columns).where(JobRow.state == State.RUNNING)).all()
        now = self._clock()
        step = min(now - self._looked, _LONGEST_STEP * self._lease)
        self._looked = now
        self._seen = {
            row.key: self._note(row.key, (row.worker, row.attempts, row.beat), step) for row in found
        }
        return sum(
            self._take_over(key, one.sign) for key, one in self._seen.items() if one.still >= self._lease
        )

    def _note(self, key: int, sign: tuple[str | None, int, int], step: float) -> _Seen:
        before = self._seen.get(key)
        return _Seen(sign, before.still + step if before and before.sign == sign else 0.0)

    def _take_over(self, key: int, sign: tuple[str | None, int, int]) -> bool:
        worker, attempts, beat = sign
        same = (JobRow.key == key, JobRow.worker == worker, JobRow.attempts == attempts, JobRow.beat == beat)
        with self._database.write() as session:
            job = session.scalar(_running().where(*same).with_for_update())
            if job is not None:
                _take(session, job, datetime.now(UTC))
        return job is not None


class WatchThread:
    """Takes jobs over from workers that are gone, several looks in a lease.

    Args:
        server: whose jobs.
    """

    def __init__(self, server: Server) -> None:
        lease = server.settings.jobs.lease_seconds
        self._watch = Watch(server.database, lease)
        self._thread = Repeated("watch", lease / _LOOKS_IN_A_LEASE, self._look)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._thread.stop()

    def _look(self) -> None:
        try:
            if taken := self._watch.look():
                _logger.warning("Jobs taken over from workers that gave no sign of life: %d.", taken)
        except DatabaseError as error:
            _logger.warning("Other workers cannot be watched now. %s", error)


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


def _take(session: Session, job: JobRow, now: datetime) -> None:
    if job.cancel:
        end_badly(session, job, CANCELLED, now, State.CANCELLED)
    elif job.attempts >= MOST_ATTEMPTS:
        end_badly(session, job, _worn_out(job), now)
    else:
        give_back(session, job, counted=True)


def _worn_out(job: JobRow) -> str:
    noun, stage = _NOUNS[JobKind(job.kind)], job.progress.get("stage")
    last = f", the last time in its stage {stage}" if stage else ""
    return (
        f"This {noun} was started {job.attempts} times; each time its worker ended without an error{last}. "
        "The likely cause is too little memory: give the worker more, or use fewer or smaller photos, and "
        "start it again. See the worker's log."
    )


def _running() -> Select[JobRow]:
    return select(JobRow).where(JobRow.state == State.RUNNING)


def _on_this_host(pid: int) -> str:
    return f"{_host()}{pid}-"


def _host() -> str:
    # Containers may share a host's name, and then number their processes apart.
    space = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()}.{space.stat().st_ino if space.exists() else 0}-"


def _lives(rest: str) -> bool:
    import psutil  # type: ignore[import-untyped]

    pid = rest.partition("-")[0]
    return not pid.isdecimal() or psutil.pid_exists(int(pid))


def _worker(name: str, row: WorkerRow | None, busy: tuple[str, str] | None) -> Worker:
    lane = row.lane if row else busy[0] if busy else Lane.ALL
    return Worker(
        name, Lane(lane), row.started if row else None, row.seen if row else None, busy[1] if busy else None
    )
