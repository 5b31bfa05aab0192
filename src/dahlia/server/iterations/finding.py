"""Iterations by their ids."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.contract.enums import IterationStatus, not_found
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow


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


def _advice(status: str) -> str:
    if status == IterationStatus.TRAINING:
        return "Ask again when its status is Completed."
    return "See its trainingErrorDetails, and train again."
