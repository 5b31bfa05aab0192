"""A job: what it does, where it waits, how far it is, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dahlia.errors import DahliaError
from dahlia.server.contract.enums import ExportStatus, IterationStatus, ProjectStatus
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import ExportRow, IterationRow, JobRow

EXPORT = "export"  # in the payload of an export: the id of its row
CANCELLED = "Cancelled"

_Tell = Callable[[Session, JobRow, str, datetime], None]


class JobKind(StrEnum):
    """What a job does."""

    TRAIN = "train"
    EXPORT = "export"
    IMPORT = "import"


class Lane(StrEnum):
    """Which jobs a job waits among, and which of them a worker takes: `ALL` is of workers alone."""

    SHORT = "short"
    LONG = "long"
    ALL = "all"

    @property
    def parts(self) -> tuple[Lane, ...]:
        """The lanes of jobs that a worker of this lane takes, in the order in which it prefers them."""
        return (Lane.SHORT, Lane.LONG) if self is Lane.ALL else (self,)


class State(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (State.WAITING, State.RUNNING)
"""The states of jobs that have not ended."""


class Directive(StrEnum):
    """What a worker is to do with the job it has."""

    GO_ON = "go on"
    CANCEL = "cancel"
    LOST = "lost"


class LeaseLost(DahliaError):  # noqa: N818
    """A job that its worker does not have any more: taken over by another, or deleted."""

    def __init__(self, identity: str) -> None:
        super().__init__(
            f"The job {identity} was expected to be this worker's, and no longer is: another has taken it "
            "over, or it was deleted. The work done here is discarded."
        )


class Interrupted(DahliaError):  # noqa: N818
    """A job that is to stop before it is done."""


@dataclass(frozen=True)
class Claimed:
    """A job in a worker's hands.

    Attributes:
        key: of its row.
        id: of its row.
        kind: what it does.
        lane: short or long.
        worker: who has it.
        attempt: which one this is, from 1.
        project_key: of its project.
        iteration_key: of its iteration, if it has one.
        payload: what the kind needs to know.
    """

    key: int
    id: str
    kind: str
    lane: Lane
    worker: str
    attempt: int
    project_key: int
    iteration_key: int | None
    payload: dict[str, Any]


def end_well(job: JobRow, now: datetime) -> None:
    """The job is done; who calls has written what it made, in the same transaction."""
    job.state, job.ended, job.error = State.DONE, now, None


def end_badly(session: Session, job: JobRow, reason: str, now: datetime, state: State = State.FAILED) -> None:
    """The job has failed or was cancelled, and so has what waits for it.

    Args:
        session: whose transaction the end is part of.
        job: waiting or running.
        reason: for the user.
        now: the time.
        state: `FAILED` or `CANCELLED`.
    """
    job.state, job.ended, job.error = state, now, reason
    _TELL[JobKind(job.kind)](session, job, reason, now)


def _fail_iteration(session: Session, job: JobRow, reason: str, now: datetime) -> None:
    session.execute(
        update(IterationRow)
        .where(IterationRow.key == job.iteration_key)
        .values(status=IterationStatus.FAILED, error=reason, modified=now)
    )


def _fail_export(session: Session, job: JobRow, reason: str, now: datetime) -> None:
    row = session.scalar(select(ExportRow).where(ExportRow.id == job.payload[EXPORT]))
    if row is not None:
        row.status, row.error = ExportStatus.FAILED, reason


def _fail_project(session: Session, job: JobRow, reason: str, now: datetime) -> None:
    row = session.get_one(ProjectRow, job.project_key)
    if row.status == ProjectStatus.IMPORTING:
        row.status, row.modified = ProjectStatus.FAILED, now


_TELL: dict[JobKind, _Tell] = {
    JobKind.TRAIN: _fail_iteration,
    JobKind.EXPORT: _fail_export,
    JobKind.IMPORT: _fail_project,
}
