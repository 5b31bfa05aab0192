"""The queue: rows that wait beside the rows that wait for them, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from dahlia.server.database.sessions import Database
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs.job import (
    CANCELLED,
    OPEN,
    Claimed,
    Directive,
    JobKind,
    Lane,
    LeaseLost,
    State,
    end_badly,
)
from dahlia.server.jobs.order import Turns, groups_in_order, in_order

__all__ = ["beat", "cancel", "claim", "enqueue", "held", "job_of", "lane_of"]


def enqueue(
    session: Session,
    kind: str,
    project: ProjectRow,
    iteration: IterationRow | None = None,
    payload: Mapping[str, Any] | None = None,
    *,
    lane: Lane = Lane.SHORT,
    expected: float | None = None,
) -> JobRow:
    """Add a job; workers see it when the session's transaction is through.

    Args:
        session: of the change that the job belongs to.
        kind: what it does, a `JobKind`.
        project: of which it is; flushed.
        iteration: of which it is, if any; flushed.
        payload: what the kind needs to know; of an export `{"export": id of its row}`.
        lane: short or long.
        expected: seconds that it is thought to take, where that is known.

    Raises:
        IntegrityError: the project has a training under way already, and this is another one.
    """
    job = JobRow(
        id=new_id(),
        kind=JobKind(kind),
        project_key=project.key,
        iteration_key=iteration.key if iteration else None,
        payload=dict(payload or {}),
        lane=lane,
        expected=expected,
        state=State.WAITING,
        attempts=0,
        worker=None,
        worker_lane=None,
        beat=0,
        cancel=False,
        progress={},
        error=None,
        created=datetime.now(UTC),
        started=None,
        ended=None,
    )
    session.add(job)
    session.flush()
    return job


def claim(database: Database, worker: str, turns: Turns) -> Claimed | None:
    """Take a waiting job; None where there is none that this worker takes.

    The lane is chosen by `Turns`, and the job in it by `dahlia.server.jobs.order`.

    Args:
        database: with the queue.
        worker: who takes it.
        turns: what it takes, and in which order; notified of what was taken.

    Raises:
        DatabaseError: the database cannot be used.
    """
    with database.read() as session:  # looking must not hold up who writes
        if session.scalar(_waiting(turns.kinds, turns.lane.parts).limit(1)) is None:
            return None
    with database.write() as session:
        job = _first(session, turns)
        if job is None:
            return None
        job.state, job.worker, job.started, job.progress = State.RUNNING, worker, datetime.now(UTC), {}
        job.worker_lane = turns.lane
        job.attempts += 1
        job.beat += 1
        claimed = Claimed(
            job.key, job.id, job.kind, lane_of(job), worker, job.attempts, job.project_key, job.iteration_key,
            job.payload,
        )  # fmt: skip
    turns.took(claimed)
    return claimed


def lane_of(job: JobRow) -> Lane:
    """The lane in which a job waits."""
    return Lane(job.lane or Lane.SHORT)


def beat(database: Database, claimed: Claimed, progress: Mapping[str, Any]) -> Directive:
    """Give a sign of life, and hear whether to go on.

    Raises:
        DatabaseError: the database cannot be used.
    """
    with database.write() as session:
        asked = session.execute(
            update(JobRow)
            .where(*_is_of(claimed))
            .values(beat=JobRow.beat + 1, progress=dict(progress))
            .returning(JobRow.cancel)
        ).first()
    if asked is None:
        return Directive.LOST
    return Directive.CANCEL if asked.cancel else Directive.GO_ON


def held(session: Session, claimed: Claimed) -> JobRow:
    """The job's row, locked, if its worker still has it; every end of a job goes through here.

    Raises:
        LeaseLost: it was taken over or deleted.
    """
    job = session.scalar(select(JobRow).where(*_is_of(claimed)).with_for_update())
    if job is None:
        raise LeaseLost(claimed.id)
    return job


def cancel(session: Session, job: JobRow, now: datetime) -> bool:
    """End a job: at once where it waits, as soon as its worker hears of it where it runs.

    Args:
        session: whose transaction the end is part of.
        job: as the session read it; its worker may have ended it meanwhile.
        now: the time.

    Returns:
        Whether it waited or ran; where it had ended or was deleted, nothing is changed.
    """
    is_open = select(JobRow).where(JobRow.key == job.key, JobRow.state.in_(OPEN))
    locked = session.scalar(is_open.with_for_update().execution_options(populate_existing=True))
    if locked is None:
        return False
    if locked.state == State.WAITING:
        end_badly(session, locked, CANCELLED, now, State.CANCELLED)
    else:
        locked.cancel = True
    session.flush()
    return True


def job_of(session: Session, iteration: IterationRow, kind: JobKind = JobKind.TRAIN) -> JobRow | None:
    """The newest job of an iteration, whatever its state."""
    wanted = select(JobRow).where(JobRow.iteration_key == iteration.key, JobRow.kind == kind)
    return session.scalar(wanted.order_by(JobRow.key.desc()).limit(1))


def _is_of(claimed: Claimed) -> tuple[Any, ...]:
    return (
        JobRow.key == claimed.key,
        JobRow.state == State.RUNNING,
        JobRow.worker == claimed.worker,
        JobRow.attempts == claimed.attempt,
    )


def _first(session: Session, turns: Turns) -> JobRow | None:
    for choice in turns.choices(datetime.now(UTC)):
        for group in groups_in_order(session, choice.lane):
            if not (kinds := group & frozenset(turns.kinds)):
                continue
            wanted = in_order(choice.lane, kinds)
            if choice.before is not None:
                wanted = wanted.where(JobRow.created < choice.before)
            job = session.scalar(wanted.limit(1).with_for_update(skip_locked=True, of=JobRow))
            if job is not None:
                return job
    return None


def _waiting(kinds: Collection[str], lanes: Collection[Lane]) -> Select[JobRow]:
    return select(JobRow).where(
        JobRow.state == State.WAITING,
        JobRow.kind.in_(list(kinds)),
        func.coalesce(JobRow.lane, Lane.SHORT).in_(list(lanes)),
    )
