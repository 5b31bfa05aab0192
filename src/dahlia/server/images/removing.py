"""Removing images: from the workspace, or from everything that ever saw them."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.orm import Session

from dahlia.server.database.changes import locked, project_of, remove
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.keys.audit import record

if TYPE_CHECKING:
    from dahlia.server.context import Server
    from dahlia.server.keys.keys import Access

AT_ONCE = 1000
"""Images removed in one transaction; other writers wait meanwhile."""
_PAUSE = 0.005  # seconds; who takes a lock again at once never lets those in who wait for it


def remove_images(
    session: Session, project: ProjectRow, identities: Sequence[str], *, everywhere: bool
) -> None:
    """Remove images by their ids; unknown ids are ignored.

    Args:
        session: that locked the project with `locked`.
        project: of the images.
        identities: their ids.
        everywhere: from the iterations too, and not just from the workspace.
    """
    chosen = select(ImageRow.key).where(
        ImageRow.project_key == project.key, ImageRow.id.in_(identities), *_present(everywhere)
    )
    _remove(session, project, list(session.scalars(chosen)), everywhere)


def remove_all_images(server: Server, access: Access, project_id: str, *, everywhere: bool) -> None:
    """Remove all images that a project has now, a part at a time, so that nobody waits long.

    Raises:
        ServiceError: there is no such project.
    """
    with server.database.read() as session:
        project = project_of(session, project_id)
        last = session.scalar(select(func.max(ImageRow.key)).where(ImageRow.project_key == project.key)) or 0
    with server.database.write() as session:
        record(session, server, access, "delete_images", project_id, images="all", everywhere=everywhere)
    after: int | None = 0
    while after is not None:
        with server.database.write() as session:
            project = locked(session, project_id, server.now())
            after = _remove_next(session, project, after, last, everywhere=everywhere)
        time.sleep(_PAUSE)


def _remove_next(
    session: Session, project: ProjectRow, after: int, last: int, *, everywhere: bool
) -> int | None:
    """Remove the next images by their keys; the last one's key, None where there are no more."""
    chosen = (
        select(ImageRow.key)
        .where(
            ImageRow.project_key == project.key,
            ImageRow.key > after,
            ImageRow.key <= last,
            *_present(everywhere),
        )
        .order_by(ImageRow.key)
        .limit(AT_ONCE)
    )
    keys = list(session.scalars(chosen))
    _remove(session, project, keys, everywhere)
    return keys[-1] if len(keys) == AT_ONCE else None


def _present(everywhere: bool) -> list[ColumnElement[bool]]:
    return [] if everywhere else [ImageRow.removed.is_(None)]


def _remove(session: Session, project: ProjectRow, keys: list[int], everywhere: bool) -> None:
    if not keys:
        return
    project.revision += 1
    if everywhere:
        session.execute(delete(ImageRow).where(ImageRow.key.in_(keys)), execution_options=_BULK)
        return
    for table in (ImageTagRow, RegionRow):
        remove(session, table, table.image_key.in_(keys), project.epoch)
    remove(session, ImageRow, ImageRow.key.in_(keys), project.epoch)
    _forget_unseen(session, project, keys)


def _forget_unseen(session: Session, project: ProjectRow, images: Collection[int]) -> None:
    """Delete what was removed, and no iteration sees any more; cleaning deletes the files later."""
    keys = ((ImageTagRow, ImageTagRow.image_key), (RegionRow, RegionRow.image_key), (ImageRow, ImageRow.key))
    for table, key in keys:
        seen = exists().where(
            IterationRow.project_key == project.key,
            IterationRow.epoch >= table.added,
            IterationRow.epoch < table.removed,
        )
        unseen = delete(table).where(key.in_(images), table.removed.is_not(None), ~seen)
        session.execute(unseen, execution_options=_BULK)


_BULK = {"synchronize_session": False}
