"""Iterations: found by their ids, renamed, published, cancelled and deleted with their files.

A publish name is one under which predictions are asked for; it is a field of the iteration's row.
"""

from __future__ import annotations

import logging
import shutil
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.enums import IterationStatus, not_found
from dahlia.server.database.changes import collect_garbage, locked, project_of
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs.job import OPEN, State
from dahlia.server.jobs.queue import cancel, job_of
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access
from dahlia.server.predictions.published_models import MODELS
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.names import EXPORTS, iteration_prefix
from dahlia.tracking.iteration import normalise

LONGEST_NAME = 128
LONGEST_RESOURCE = 1024
_DEFAULT = "default"
_logger = logging.getLogger("dahlia.server")


def iteration_of(session: Session, project_id: str, iteration_id: str) -> IterationRow:
    """An iteration of a project.

    Raises:
        ServiceError: there is no such project, or it has no such iteration.
    """
    row = session.scalar(
        select(IterationRow)
        .join(ProjectRow, ProjectRow.key == IterationRow.project_key)
        .where(IterationRow.id == iteration_id, ProjectRow.id == project_id)
    )
    if row is None:
        project_of(session, project_id)
        raise not_found("Iteration", iteration_id)
    return row


def iterations_of(session: Session, project_id: str) -> list[IterationRow]:
    """All iterations of a project, the oldest first: clients take the last for the newest.

    Raises:
        ServiceError: there is no such project.
    """
    project = project_of(session, project_id)
    chosen = select(IterationRow).where(IterationRow.project_key == project.key)
    return list(session.scalars(chosen.order_by(IterationRow.number, IterationRow.key)))


def trained(row: IterationRow) -> IterationRow:
    """The iteration, if it is trained.

    Raises:
        ServiceError: it is not, or not yet.
    """
    if row.status != IterationStatus.COMPLETED:
        raise ServiceError(
            "BadRequestIterationIsNotTrained",
            f"Expected an iteration that is Completed, received {row.name}, which is {row.status}. "
            + _advice(row.status),
        )
    return row


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

    The files go once this is in the database: see `discard_files`.

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


def publish(
    session: Session,
    server: Server,
    access: Access,
    project_id: str,
    iteration_id: str,
    name: str,
    resource: str,
    *,
    overwrite: bool,
) -> None:
    """Publish an iteration under a name.

    A repeated call changes nothing.

    Args:
        session: to write with.
        server: has the time.
        access: of the caller.
        project_id: of the project.
        iteration_id: of the iteration.
        name: any printable text; predictions name it in their path.
        resource: what the client calls the prediction resource; any text, kept as it is.
        overwrite: whether to take the name from another iteration, and this one from another name.

    Raises:
        ServiceError: the iteration is not there or not trained, has another name, or the name is another's.
    """
    name = _checked_name(name)
    _check_resource(resource)
    locked(session, project_id, server.now())
    row = trained(iteration_of(session, project_id, iteration_id))
    if row.publish_name == name and row.publish_resource == resource:
        return
    if not overwrite:
        _check_unpublished(row, name)
    _take_name(session, row, name, overwrite)
    row.publish_name, row.publish_resource, row.modified = name, resource, server.now()
    details = {"iteration": iteration_id, "name": name, "overwrite": overwrite}
    record(session, server, access, "publish_iteration", project_id, **details)


def make_default(
    session: Session, server: Server, access: Access, project_id: str, iteration_id: str, *, wanted: bool
) -> None:
    """Make an iteration the one that predictions of versions 1 and 2 ask, which know no names; or no longer.

    Raises:
        ServiceError: it is not there, or not trained.
    """
    if wanted:
        publish(session, server, access, project_id, iteration_id, _DEFAULT, _DEFAULT, overwrite=True)
    elif iteration_of(session, project_id, iteration_id).publish_name == _DEFAULT:
        unpublish(session, server, access, project_id, iteration_id)


def unpublish(session: Session, server: Server, access: Access, project_id: str, iteration_id: str) -> None:
    """Remove an iteration's publish name.

    Raises:
        ServiceError: there is no such iteration, or it is not published.
    """
    locked(session, project_id, server.now())
    row = iteration_of(session, project_id, iteration_id)
    if row.publish_name is None:
        raise ServiceError(
            "BadRequestIterationNotPublished",
            f"Expected an iteration that is published, received {row.name}, which is not. There is nothing "
            "to do.",
        )
    name = row.publish_name
    row.publish_name, row.publish_resource, row.modified = None, None, server.now()
    record(session, server, access, "unpublish_iteration", project_id, iteration=iteration_id, name=name)


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


def _advice(status: str) -> str:
    if status == IterationStatus.TRAINING:
        return "Ask again when its status is Completed."
    return "See its trainingErrorDetails, and train again."


def _check_unpublished(row: IterationRow, name: str) -> None:
    if row.publish_name not in (None, name):
        raise ServiceError(
            "BadRequestIterationIsPublished",
            f"Expected an iteration that is not published, received {row.name}, published as "
            f"{row.publish_name!r}. Unpublish it first, or send overwrite=true.",
        )


def _take_name(session: Session, row: IterationRow, name: str, overwrite: bool) -> None:
    holder = (
        IterationRow.project_key == row.project_key,
        IterationRow.publish_name == name,
        IterationRow.key != row.key,
    )
    if overwrite:
        session.execute(update(IterationRow).where(*holder).values(publish_name=None, publish_resource=None))
    elif (other := session.scalar(select(IterationRow.name).where(*holder))) is not None:
        raise ServiceError(
            "BadRequestInvalidPublishName",
            f"Expected a publish name that is free, received {name!r}, which {other} has. Choose another, "
            "or send overwrite=true to take it over.",
        )


def _checked_name(name: str) -> str:
    name = normalise(name)
    # Clients resolve `.` and `..` in a path before they send it.
    usable = name.isprintable() and name == name.strip() and name not in (".", "..")
    if not usable or not 0 < len(name) <= LONGEST_NAME:
        raise ServiceError(
            "BadRequestInvalidPublishName",
            f"Expected a publish name of 1 to {LONGEST_NAME} printable characters without spaces at its "
            f"ends, received {name[:80]!r}. Choose another, such as production.",
        )
    return name


def _check_resource(resource: str) -> None:
    if not resource.strip() or not resource.isprintable() or len(resource) > LONGEST_RESOURCE:
        raise ServiceError(
            "BadRequestInvalidPublishTarget",
            f"Invalid iteration publish target: expected a predictionId of 1 to {LONGEST_RESOURCE} printable "
            f"characters, received {resource[:80]!r}. Any text will do here, such as local.",
        )
