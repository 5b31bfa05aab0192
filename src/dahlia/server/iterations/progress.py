"""Iterations as they go over the wire; how far a training or an export is, and what it waits for.

The original does not tell how far they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.server.context import Server
from dahlia.server.contract.domains import domain_of
from dahlia.server.contract.enums import CLASSIFIERS, ExportStatus, IterationStatus, TrainingType
from dahlia.server.contract.fields import Answer
from dahlia.server.contract.iterations import CustomBaseModelInfo, Iteration
from dahlia.server.database.work_tables import ExportRow, IterationRow, JobRow
from dahlia.server.jobs.job import EXPORT, OPEN, JobKind, State
from dahlia.server.jobs.queue import job_of
from dahlia.server.jobs.waiting import Durations, QueuePosition, position_of
from dahlia.server.keys.keys import Access

SECONDS_LEFT = "dahlia-seconds-left"
STAGE = "dahlia-stage"
PLACE = "dahlia-place"
QUEUED = "Queued"
BEGINNING = "beginning"
CANCELLING = "cancelling"
# Their clients get an empty list where later ones get null.
_LISTS_PLATFORMS = ("v1.2", "v2.2", "v3.0", "v3.1", "v3.2")


class _Progress(Answer):
    stage: str | None = Field(description="Queued, the current work, or cancelling; null once it has ended")
    share: float = Field(description="0 to 1 of the estimated time")
    seconds_left: int | None = Field(description="until it is done; null if unknown")
    place: int | None = Field(description="in the queue, 1 for the next; null unless it waits")
    waits_for: str | None = Field(description="in words; null unless it waits")
    seconds_until_start: int | None = Field(description="null if unknown, or if it does not wait")
    error: str | None


class Progress(_Progress):
    """How far a training is."""

    iteration_id: str
    status: str = Field(description="Training, Completed or Failed, as in the iteration")


class ExportProgress(_Progress):
    """How far an export is."""

    platform: str
    flavor: str | None
    status: str = Field(description="Exporting, Done or Failed, as in the export")


def progress_of(session: Session, server: Server, access: Access, row: IterationRow) -> Progress:
    """How far an iteration's training is, as its worker reported last.

    Args:
        session: to read with.
        server: has the time.
        access: of the caller; a key of one project does not learn the names of others.
        row: the iteration.
    """
    job = job_of(session, row) if row.status == IterationStatus.TRAINING else None
    said = said_of_job(session, server, access, job, done=row.status == IterationStatus.COMPLETED)
    return Progress(iteration_id=row.id, status=row.status, error=row.error, **said)


def export_progress_of(
    session: Session, server: Server, access: Access, rows: Sequence[ExportRow]
) -> list[ExportProgress]:
    """How far exports of an iteration are; see `progress_of`."""
    jobs = _export_jobs(session, rows)
    return [
        ExportProgress(
            platform=row.platform,
            flavor=row.flavor,
            status=row.status,
            error=row.error,
            **said_of_job(session, server, access, jobs.get(row.id), done=row.status == ExportStatus.DONE),
        )
        for row in rows
    ]


def headers_of(progress: Progress | ExportProgress) -> dict[str, str]:
    """The headers that tell it; none where nothing is under way."""
    found = {STAGE: progress.stage, SECONDS_LEFT: progress.seconds_left, PLACE: progress.place}
    return {name: str(value) for name, value in found.items() if value is not None}


def said_of_job(
    session: Session, server: Server, access: Access, job: JobRow | None, *, done: bool
) -> dict[str, Any]:
    """How far a job is, by the names of the fields of an answer but for its error.

    Args:
        session: to read with.
        server: has the time.
        access: of the caller; a key of one project does not learn the names of others.
        job: that waits or runs; None where it has ended.
        done: whether it has ended well.
    """
    if job is None:
        return _values(None, {"fraction": float(done)}, None)
    if job.state != State.WAITING:
        stage = CANCELLING if job.cancel else job.progress.get("stage") or BEGINNING
        left = Durations.read(session).left(job, server.now())
        return _values(stage, job.progress | {"seconds_left": left}, None)
    position = position_of(session, server, job, names=access.project_id is None)
    return _values(QUEUED, {"seconds_left": position.seconds_left}, position)


def iteration_answer(row: IterationRow, project_id: str, version: str) -> Iteration:
    """An iteration; while it is trained, what will have come of it is null, and `trainedAt` is absent."""
    under_way = row.status == IterationStatus.TRAINING
    platforms = domain_of(row.domain_id).platforms if row.status == IterationStatus.COMPLETED else ()
    return Iteration(
        id=row.id,
        name=row.name,
        status=row.status,
        created=row.created,
        last_modified=row.modified,
        project_id=project_id,
        exportable=bool(platforms),
        exportable_to=platforms or (() if version in _LISTS_PLATFORMS and not under_way else None),
        domain_id=None if under_way else row.domain_id,
        classification_type=None if under_way else CLASSIFIERS[row.kind],
        training_type=TrainingType(row.training_type),
        reserved_budget_in_hours=row.budget_hours,
        training_time_in_minutes=row.minutes,
        publish_name=row.publish_name,
        original_publish_resource_id=row.publish_resource,
        custom_base_model_info=_base(row),
        training_error_details=row.error,
        **_moment(row.trained),
        **_default(row, version),
    )


def _export_jobs(session: Session, rows: Sequence[ExportRow]) -> dict[str, JobRow]:
    if not any(row.status == ExportStatus.EXPORTING for row in rows):
        return {}
    wanted = select(JobRow).where(
        JobRow.iteration_key == rows[0].iteration_key,
        JobRow.kind == JobKind.EXPORT,
        JobRow.state.in_(OPEN),
    )
    return {job.payload[EXPORT]: job for job in session.scalars(wanted)}


def _values(stage: str | None, said: Mapping[str, Any], position: QueuePosition | None) -> dict[str, Any]:
    return {
        "stage": stage,
        "share": min(max(float(said.get("fraction", 0.0)), 0.0), 1.0),
        "seconds_left": _whole(said.get("seconds_left")),
        "place": position.place if position else None,
        "waits_for": position.waits_for if position else None,
        "seconds_until_start": _whole(position.seconds_until_start) if position else None,
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else max(math.ceil(seconds), 0)


def _base(row: IterationRow) -> CustomBaseModelInfo | None:
    if row.base_project_id is None or row.base_iteration_id is None:
        return None
    return CustomBaseModelInfo(project_id=row.base_project_id, iteration_id=row.base_iteration_id)


def _default(row: IterationRow, version: str) -> dict[str, Any]:
    return {"is_default": row.publish_name is not None} if version < "v3" else {}


def _moment(trained: datetime | None) -> dict[str, Any]:
    return {} if trained is None else {"trained_at": trained}
