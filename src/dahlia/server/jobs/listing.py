"""Jobs as administrators see them: found, counted, cancelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.contract import enums
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import ExportRow, IterationRow, JobRow
from dahlia.server.jobs.job import EXPORT, OPEN, JobKind, Lane, State
from dahlia.server.jobs.leases import Worker
from dahlia.server.jobs.queue import cancel
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access


@dataclass(frozen=True)
class Wanted:
    """Which jobs; None where it does not matter.

    Attributes:
        state: how far they are.
        kind: what they do.
        project: id of their project.
        below: the number of a job, of which only earlier ones are wanted.
    """

    state: enums.JobState | None = None
    kind: enums.JobKind | None = None
    project: str | None = None
    below: int | None = None


@dataclass(frozen=True)
class Listed:
    """A job with what it is about; `key` numbers it."""

    job: JobRow
    project_id: str
    project_name: str
    iteration_id: str | None
    iteration_name: str | None
    export: ExportRow | None

    @property
    def key(self) -> int:
        """See `JobRow`."""
        return self.job.key


@dataclass(frozen=True)
class Load:
    """How many jobs of a lane there are, and how many workers take them."""

    lane: Lane
    workers: int
    waiting: int
    running: int


def find_jobs(session: Session, wanted: Wanted, take: int) -> list[Listed]:
    """Jobs, the newest first."""
    chosen = _listed().order_by(JobRow.key.desc()).limit(take)
    if wanted.state is not None:
        chosen = chosen.where(JobRow.state == State(wanted.state.lower()))
    if wanted.kind is not None:
        chosen = chosen.where(JobRow.kind == JobKind(wanted.kind.lower()))
    if wanted.project is not None:
        chosen = chosen.where(ProjectRow.id == wanted.project)
    if wanted.below is not None:
        chosen = chosen.where(JobRow.key < wanted.below)
    return _with_exports(session, session.execute(chosen).all())


def find_job(session: Session, identity: str) -> Listed:
    """A job by its id.

    Raises:
        ServiceError: there is none.
    """
    found = _with_exports(session, session.execute(_listed().where(JobRow.id == identity)).all())
    if not found:
        raise ServiceError(
            "NotFound", f"Job not found: there is no job {identity} here. List the jobs, and take its id."
        )
    return found[0]


def cancel_job(session: Session, server: Server, access: Access, identity: str) -> Listed:
    """End a job: at once if it waits, within seconds if it runs.

    Raises:
        ServiceError: there is no such job, or it has ended.
    """
    found = find_job(session, identity)
    if not cancel(session, found.job, server.now()):
        session.expire_all()
        state = find_job(session, identity).job.state
        raise ServiceError(
            "Conflict",
            f"Expected a job that waits or runs, received one that is {state}. There is nothing to cancel.",
        )
    details = {"job": identity, "kind": found.job.kind, "iteration": found.iteration_id}
    record(session, server, access, "cancel_job", found.project_id, **details)
    return found


def loads(session: Session, workers: list[Worker]) -> list[Load]:
    """How much there is to do in each lane.

    Args:
        session: to read with.
        workers: those that there are.
    """
    counted = (
        select(JobRow.lane, JobRow.state, func.count())
        .where(JobRow.state.in_(OPEN))
        .group_by(JobRow.lane, JobRow.state)
    )
    counts: Counter[tuple[str, str]] = Counter()
    for lane, state, count in session.execute(counted):
        counts[lane or Lane.SHORT, state] += count
    return [
        Load(
            one,
            sum(one in worker.lane.parts for worker in workers),
            counts[one, State.WAITING],
            counts[one, State.RUNNING],
        )
        for one in Lane.ALL.parts
    ]


def _listed() -> Select[JobRow, str, str, str, str]:
    return (
        select(JobRow, ProjectRow.id, ProjectRow.name, IterationRow.id, IterationRow.name)
        .join(ProjectRow, ProjectRow.key == JobRow.project_key)
        .outerjoin(IterationRow, IterationRow.key == JobRow.iteration_key)
    )


def _with_exports(session: Session, rows: Sequence[Row[JobRow, str, str, str, str]]) -> list[Listed]:
    wanted = [row[0].payload[EXPORT] for row in rows if EXPORT in row[0].payload]
    exports = session.scalars(select(ExportRow).where(ExportRow.id.in_(wanted))) if wanted else ()
    known = {row.id: row for row in exports}
    return [Listed(*row, known.get(row[0].payload.get(EXPORT, ""))) for row in rows]
