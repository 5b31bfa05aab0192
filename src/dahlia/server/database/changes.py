"""What every change of a project goes through: its row is locked, its revision rises, its rows come and go.

See `dahlia.server.database.tables` for epochs. A row that neither the workspace nor an iteration sees was
added after the last iteration before some epoch, and removed no later than the first one after it. So an
iteration that is deleted takes with it what lies in the gap that it leaves, and that is two comparisons,
whatever the number of iterations.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Delete, Select, and_, delete, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from dahlia.errors import ServiceError
from dahlia.server.contract.enums import ProjectStatus, not_found
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.work_tables import IterationRow

Versioned = type[TagRow] | type[ImageRow] | type[ImageTagRow] | type[RegionRow]

GONE = "Deleted"
"""The status of a project that nobody sees any more, while its rows are being deleted."""


def project_of(session: Session, identity: str) -> ProjectRow:
    """A project by its id.

    Raises:
        ServiceError: there is none.
    """
    row = session.scalar(select(ProjectRow).where(ProjectRow.id == identity, ProjectRow.status != GONE))
    if row is None:
        raise not_found("Project", identity)
    return row


def changed(session: Session, identity: str, now: datetime) -> ProjectRow:
    """Lock a project for a change that trainings see, and count the change.

    Returns:
        The project, with the epoch that what is added and removed carries.

    Raises:
        ServiceError: there is none, or it is still being imported.
    """
    row = locked(session, identity, now)
    row.revision += 1
    return row


def locked(session: Session, identity: str, now: datetime) -> ProjectRow:
    """Lock a project for a change that trainings do not see, such as of its name.

    Raises:
        ServiceError: there is none, or it is still being imported.
    """
    touched = session.execute(
        update(ProjectRow)
        .where(ProjectRow.id == identity, ProjectRow.status != GONE)
        .values(modified=now)
        .returning(ProjectRow.key)
        .execution_options(synchronize_session=False)
    ).first()
    if touched is None:
        raise not_found("Project", identity)
    row = session.get_one(ProjectRow, touched.key, populate_existing=True)
    if row.status != ProjectStatus.SUCCEEDED:
        raise ServiceError(
            "BadRequestWorkspaceCannotBeModified",
            f"Expected a project that is complete, received one whose import has the status {row.status}. "
            "Wait until its status is Succeeded; if it is Failed, delete it and import it again.",
        )
    return row


def remove(session: Session, table: Versioned, condition: ColumnElement[bool], epoch: int) -> int:
    """Take rows out of the workspace: what was added in this epoch is deleted, the rest is marked.

    Rows that the session has loaded before do not learn of it.

    Args:
        session: that locked the project.
        table: whose rows.
        condition: which of the live ones.
        epoch: of the project.

    Returns:
        How many rows.
    """
    live = table.removed.is_(None)
    statements = (
        delete(table).where(condition, live, table.added == epoch),
        update(table).where(condition, live).values(removed=epoch),
    )
    options = {"synchronize_session": False}
    done = (session.execute(statement, execution_options=options) for statement in statements)
    return sum(cast("CursorResult[Any]", result).rowcount for result in done)


def among_named(project_key: int) -> ColumnElement[bool]:
    """Whether an image that is looked for by its id is one of a project's.

    As a sum it tempts no database to look through all images of the project.
    """
    return ImageRow.project_key + 0 == project_key


def epoch_of(session: Session, project: ProjectRow, iteration_id: str | None) -> int | None:
    """What `visible` needs to show a project as an iteration saw it; None for the workspace.

    Raises:
        ServiceError: the project has no such iteration.
    """
    if iteration_id is None:
        return None
    epoch = session.scalar(
        select(IterationRow.epoch).where(
            IterationRow.id == iteration_id, IterationRow.project_key == project.key
        )
    )
    if epoch is None:
        raise not_found("Iteration", iteration_id)
    return epoch


def visible(table: Versioned, epoch: int | None) -> ColumnElement[bool]:
    """Whether a row is part of the workspace (no epoch), or of what the training of an epoch saw."""
    removed: InstrumentedAttribute[int | None] = table.removed
    if epoch is None:
        return removed.is_(None)
    return and_(table.added <= epoch, or_(removed.is_(None), removed > epoch))


def collect_garbage(session: Session, project_key: int, epoch: int) -> None:
    """Delete the rows that no iteration sees any more now that one of an epoch is gone.

    Args:
        session: of the deletion itself; the caller has locked the project.
        project_key: of the project.
        epoch: of the iteration that was deleted.
    """
    others = select(IterationRow.epoch).where(IterationRow.project_key == project_key)
    if session.scalar(others.where(IterationRow.epoch == epoch).limit(1)) is not None:
        return  # an iteration that was copied from another project may share it
    before = _outermost(session, project_key, IterationRow.epoch < epoch, func.max(IterationRow.epoch))
    after = _outermost(session, project_key, IterationRow.epoch > epoch, func.min(IterationRow.epoch))
    for statement in _deletions(project_key, before, after):
        session.execute(statement.execution_options(synchronize_session=False))


def _outermost(
    session: Session, project_key: int, side: ColumnElement[bool], function: ColumnElement[int]
) -> int | None:
    return session.scalar(select(function).where(IterationRow.project_key == project_key, side))


def _deletions(project_key: int, before: int | None, after: int | None) -> list[Delete]:
    # Through the tags, whose indexes tell removed rows apart; through the images all would be looked at.
    tags = select(TagRow.key).where(TagRow.project_key == project_key)
    return [
        delete(RegionRow).where(_of(RegionRow, tags), _unseen(RegionRow, before, after)),
        delete(ImageTagRow).where(_of(ImageTagRow, tags), _unseen(ImageTagRow, before, after)),
        delete(ImageRow).where(ImageRow.project_key == project_key, _unseen(ImageRow, before, after)),
        delete(TagRow).where(TagRow.project_key == project_key, _unseen(TagRow, before, after)),
    ]


def _of(table: type[RegionRow] | type[ImageTagRow], tags: Select[int]) -> ColumnElement[bool]:
    return table.tag_key.in_(tags)


def _unseen(table: Versioned, before: int | None, after: int | None) -> ColumnElement[bool]:
    bounds: list[ColumnElement[bool]] = [table.removed.is_not(None)]
    if before is not None:
        bounds.append(table.added > before)
    if after is not None:
        bounds.append(table.removed <= after)
    return and_(*bounds)
