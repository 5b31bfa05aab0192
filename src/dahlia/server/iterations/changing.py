"""Renaming, cancelling and deleting iterations, and their files."""

from __future__ import annotations

import logging
import shutil
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.enums import IterationStatus
from dahlia.server.database.changes import collect_garbage, locked
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.iterations.finding import iteration_of
from dahlia.server.jobs.job import OPEN, State
from dahlia.server.jobs.queue import cancel, job_of
from dahlia.server.keys.audit import record
from dahlia.server.keys.scopes import Access
from dahlia.server.predictions.published_models import MODELS
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.names import EXPORTS, iteration_prefix

LONGEST_NAME = 128

_logger = logging.getLogger("dahlia.server")


def rename_iteration(
    session: Session, server: Server, access: Access, project_id: str, iteration_id: str, name: str | None
) -> IterationRow:
    """Give an iteration another name; its publish name stays.

    Raises:
        ServiceError: there is no such iteration, or the name does not do or is another's.
    """
    locked(session, project_id, server.now())
    row = iteration_of(session, project_id, iteration_id)
    if name is None or name == row.name:
        return row
    _check_name(name)
    taken = select(IterationRow.key).where(
        IterationRow.project_key == row.project_key, IterationRow.name == name
    )
    if session.scalar(taken.limit(1)) is not None:
        raise ServiceError(
            "BadRequestIterationNameNotUnique",
            f"Expected a name that no other iteration of the project has, received {name!r}. Choose another.",
        )
    row.name, row.modified = name, server.now()
    record(session, server, access, "update_iteration", project_id, iteration=iteration_id, name=name)
    return row


def cancel_training(
    session: Session, server: Server, access: Access, project_id: str, iteration_id: str
) -> IterationRow:
    """End a training: at once where it waits for a worker, within seconds where it runs.

    Raises:
        ServiceError: there is no such iteration, or it is not being trained.
    """
    row = iteration_of(session, project_id, iteration_id)
    job = job_of(session, row) if row.status == IterationStatus.TRAINING else None
    if job is None or not cancel(session, job, server.now()):
        session.expire_all()  # the training may have ended after it was read
        row = iteration_of(session, project_id, iteration_id)
        raise ServiceError(
            "Conflict",
            f"Expected an iteration that is being trained, received {row.name}, which is {row.status}. "
            "There is nothing to cancel.",
        )
    session.refresh(row)
    record(session, server, access, "cancel_training", project_id, iteration=iteration_id)
    return row


def delete_iteration(
    session: Session, server: Server, access: Access, project_id: str, iteration_id: str
) -> None:
    """Delete an iteration, and the images that only it had; a training or an export of it is cancelled.

    The files go once this is in the database: see `dahlia.server.iterations.changing`.

    Raises:
        ServiceError: there is no such iteration, or it is published.
    """
    project = locked(session, project_id, server.now())
    row = iteration_of(session, project_id, iteration_id)
    if row.publish_name is not None:
        raise ServiceError(
            "BadRequestIterationIsPublished",
            f"Expected an iteration that is not published, received {row.name}, published as "
            f"{row.publish_name!r}. Unpublish it first.",
        )
    _let_go(session, row, server.now())
    session.execute(delete(IterationRow).where(IterationRow.key == row.key))
    collect_garbage(session, project.key, row.epoch)
    record(session, server, access, "delete_iteration", project_id, iteration=iteration_id, name=row.name)


def discard_files(server: Server, iteration_id: str) -> None:
    """Delete what a deleted iteration left; what cannot be deleted now, cleaning deletes later.

    Predictions under way have its model in memory. Copies on other machines go when their servers start next.
    """
    shutil.rmtree(server.settings.server.home / MODELS / iteration_id, ignore_errors=True)
    try:
        for prefix in (iteration_prefix(iteration_id), f"{EXPORTS}/{iteration_id}"):
            server.storage.delete_folder(prefix)
    except StorageError as error:
        _logger.warning("Files of the deleted iteration %s are deleted later. %s", iteration_id, error)


def _let_go(session: Session, row: IterationRow, now: datetime) -> None:
    jobs = select(JobRow).where(JobRow.iteration_key == row.key, JobRow.state.in_(OPEN))
    for job in session.scalars(jobs).all():
        if cancel(session, job, now) and job.state == State.RUNNING:
            # It outlives the iteration until its worker lets go, so that no other trains in the workspace.
            job.iteration_key = None
    session.flush()


def _check_name(name: str) -> None:
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise ServiceError(
            "BadRequestIterationName",
            f"Expected a name of 1 to {LONGEST_NAME} printable characters without spaces at its ends, "
            f"received {name[:80]!r}. Choose another.",
        )
