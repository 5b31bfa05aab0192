"""How a job ends, and what becomes of the iteration, export or project that waits for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dahlia.server.contract.enums import ExportStatus, IterationStatus, ProjectStatus
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import ExportRow, IterationRow, JobRow
from dahlia.server.jobs.records import Kind, State

EXPORT = "export"  # in the payload of an export: the id of its row
CANCELLED = "Cancelled"

_Tell = Callable[[Session, JobRow, str, datetime], None]


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
    _TELL[Kind(job.kind)](session, job, reason, now)


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


_TELL: dict[Kind, _Tell] = {
    Kind.TRAIN: _fail_iteration,
    Kind.EXPORT: _fail_export,
    Kind.IMPORT: _fail_project,
}
