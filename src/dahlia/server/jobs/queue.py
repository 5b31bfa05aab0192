"""The queue: rows that wait beside the rows that wait for them, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session, aliased

from dahlia.server.jobs.endings import CANCELLED, end_badly
from dahlia.server.jobs.records import Claimed, Kind, LeaseLost, Orders, State
from dahlia.server.store.database import Database
from dahlia.server.store.tables import ProjectRow
from dahlia.server.store.work_tables import IterationRow, JobRow
from dahlia.serving.http.replies import new_id

__all__ = ["beat", "cancel", "claim", "enqueue", "held", "job_of"]


def enqueue(
    session: Session,
    kind: str,
    project: ProjectRow,
    iteration: IterationRow | None = None,
    payload: Mapping[str, Any] | None = None,
) -> JobRow:
    """Add a job; workers see it when the session's transaction is through.

    Args:
        session: of the change that the job belongs to.
        kind: what it does, a `Kind`.
        project: of which it is; flushed.
        iteration: of which it is, if any; flushed.
        payload: what the kind needs to know; of an export `{"export": id of its row}`.

    Raises:
        IntegrityError: the project has a training under way already, and this is another one.
    """
    job = JobRow(
        id=new_id(),
        kind=Kind(kind),
        project_key=project.key,
        iteration_key=iteration.key if iteration else None,
        payload=dict(payload or {}),
        state=State.WAITING,
        attempts=0,
        worker=None,
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


def claim(
    database: Database, worker: str, kinds: Collection[str], *, after: int | None = None
) -> Claimed | None:
    """Take a waiting job; None where there is none.

    Projects with the fewest running jobs come first, those that are alike in turn, each with its oldest job.

    Args:
        database: with the queue.
        worker: who takes it.
        kinds: what it can do.
        after: the `project_key` of the last job that this worker took, after which the others' turn begins;
            None for the oldest job first.

    Raises:
        StoreError: the database cannot be used.
    """
    with database.read() as session:  # looking must not hold up who writes
        if session.scalar(_waiting(kinds).limit(1)) is None:
            return None
    with database.write() as session:
        job = session.scalar(_in_turn(kinds, after).limit(1).with_for_update(skip_locked=True, of=JobRow))
        if job is None:
            return None
        job.state, job.worker, job.started, job.progress = State.RUNNING, worker, datetime.now(UTC), {}
        job.attempts += 1
        job.beat += 1
        return Claimed(
            job.key, job.id, job.kind, worker, job.attempts, job.project_key, job.iteration_key, job.payload
        )


def beat(database: Database, claimed: Claimed, progress: Mapping[str, Any]) -> Orders:
    """Give a sign of life, and hear whether to go on.

    Raises:
        StoreError: the database cannot be used.
    """
    with database.write() as session:
        asked = session.execute(
            update(JobRow)
            .where(*_is_of(claimed))
            .values(beat=JobRow.beat + 1, progress=dict(progress))
            .returning(JobRow.cancel)
        ).first()
    if asked is None:
        return Orders.LOST
    return Orders.CANCEL if asked.cancel else Orders.GO_ON


def held(session: Session, claimed: Claimed) -> JobRow:
    """The job's row, locked, if its worker still has it; every end of a job goes through here.

    Raises:
        LeaseLost: it was taken over or deleted.
    """
    job = session.scalar(select(JobRow).where(*_is_of(claimed)).with_for_update())
    if job is None:
        raise LeaseLost(claimed.id)
    return job


def cancel(session: Session, job: JobRow, now: datetime) -> None:
    """End a job: at once where it waits, as soon as its worker hears of it where it runs."""
    session.refresh(job, with_for_update=True)
    if job.state == State.WAITING:
        end_badly(session, job, CANCELLED, now, State.CANCELLED)
    elif job.state == State.RUNNING:
        job.cancel = True


def job_of(session: Session, iteration: IterationRow, kind: Kind = Kind.TRAIN) -> JobRow | None:
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


def _waiting(kinds: Collection[str]) -> Select[JobRow]:
    return select(JobRow).where(JobRow.state == State.WAITING, JobRow.kind.in_(list(kinds)))


def _in_turn(kinds: Collection[str], after: int | None) -> Select[JobRow]:
    other = aliased(JobRow)
    running = (
        select(func.count())
        .where(other.state == State.RUNNING, other.project_key == JobRow.project_key)
        .scalar_subquery()
    )
    turn = () if after is None else (JobRow.project_key <= after, JobRow.project_key)
    return _waiting(kinds).order_by(running, *turn, JobRow.key)
