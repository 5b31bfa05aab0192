"""Rows that neither the workspace nor any iteration sees any more.

Such a row was added after the last iteration before some epoch, and removed no later than the first iteration
after it. So an iteration that is deleted takes with it what lies in the gap that it leaves, and that is two
comparisons, whatever the number of iterations (see `dahlia.server.database.tables` for epochs).
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Delete, Select, and_, delete, func, select
from sqlalchemy.orm import Session

from dahlia.server.database.changes import Versioned
from dahlia.server.database.tables import ImageRow, ImageTagRow, RegionRow, TagRow
from dahlia.server.database.work_tables import IterationRow


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
