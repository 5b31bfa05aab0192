"""Which iteration a quick test or an explanation asks."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.contract.enums import IterationStatus
from dahlia.server.database.changes import project_of
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.iterations.iterations import iteration_of, trained
from dahlia.tracking.names import normalise


def published_iteration(session: Session, project_id: str, name: str) -> IterationRow:
    """The iteration that is published under a name.

    Raises:
        ServiceError: there is no such project, or nothing of that name.
    """
    project = project_of(session, project_id)
    named = select(IterationRow).where(
        IterationRow.project_key == project.key, IterationRow.publish_name.is_not(None)
    )
    rows = {normalise(row.publish_name or ""): row for row in session.scalars(named)}
    row = rows.get(normalise(name))
    if row is None:
        raise ServiceError(
            "NotFoundIteration",
            f"Invalid iteration: nothing is published as {name[:80]!r}. Publish an iteration under that "
            "name, or name one with iterationId.",
        )
    return row


def tested_iteration(session: Session, project_id: str, iteration_id: str | None) -> IterationRow:
    """The iteration that is named, or else the one that was trained last.

    Raises:
        ServiceError: there is no such project or iteration, it is not trained, or none is.
    """
    if iteration_id is not None:
        return trained(iteration_of(session, project_id, iteration_id))
    project = project_of(session, project_id)
    completed = (
        select(IterationRow)
        .where(IterationRow.project_key == project.key, IterationRow.status == IterationStatus.COMPLETED)
        .order_by(IterationRow.number.desc())
        .limit(1)
    )
    row = session.scalar(completed)
    if row is None:
        raise ServiceError(
            "NotFoundProjectDefaultIteration",
            "Invalid iteration: expected a project with a trained iteration, received one without. Train it, "
            "and wait until get_iteration says Completed.",
        )
    return row
