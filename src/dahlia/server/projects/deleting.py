"""Deleting projects: out of sight at once, row by row after that."""

from __future__ import annotations

import time
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.enums import not_found
from dahlia.server.database.changes import GONE
from dahlia.server.database.server_tables import DiscardRow
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow, JobRow, PredictionRow
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access

_IMAGES = 5_000  # with their tags and regions; a tenth of a second, in which nobody else writes
_PREDICTIONS = 2_000  # with a score for each tag
_PAUSE = 0.005  # seconds, in which those who wait to write get their turn


def delete_project(server: Server, access: Access | None, identity: str) -> None:
    """Delete a project with all that belongs to it; what is trained or exported for it is called off.

    Nobody finds it from the first transaction on. Cleaning deletes its files some hours later. Should the
    server be stopped in between, `finish_deletions` goes on.

    Raises:
        ServiceError: there is none, or an iteration of it is published: applications ask for it by its name.
    """
    with server.database.write() as session:
        project = session.scalar(select(ProjectRow).where(ProjectRow.id == identity).with_for_update())
        if project is None:
            raise not_found("Project", identity)
        _refuse_published(session, project)
        # A worker whose job is gone stops what it does.
        session.execute(delete(JobRow).where(JobRow.project_key == project.key))
        # Under an id of its own no request and no worker finds it.
        project.id, project.status = new_id(), GONE
        session.merge(DiscardRow(kind="history", name=identity, moment=server.now()))
        record(session, server, access, "delete_project", identity, name=project.name)
        key = project.key
    _delete_rows(server, key)


def finish_deletions(server: Server) -> int:
    """Delete what is left of projects whose deletion was cut off; returns how many there were."""
    with server.database.read() as session:
        keys = list(session.scalars(select(ProjectRow.key).where(ProjectRow.status == GONE)))
    for key in keys:
        _delete_rows(server, key)
    return len(keys)


def _refuse_published(session: Session, project: ProjectRow) -> None:
    names = session.scalars(
        select(IterationRow.publish_name).where(
            IterationRow.project_key == project.key, IterationRow.publish_name.is_not(None)
        )
    ).all()
    if names:
        raise ServiceError(
            "BadRequestIterationIsPublished",
            f"Expected a project without published iterations, received one that publishes "
            f"{', '.join(map(repr, names))}. Unpublish with unpublish_iteration (in versions 1 and "
            "2: update_iteration with isDefault=false), then delete the project.",
        )


def _delete_rows(server: Server, project: int) -> None:
    for table, batch in ((PredictionRow, _PREDICTIONS), (ImageRow, _IMAGES)):
        while _delete_some(server, table, project, batch):
            time.sleep(_PAUSE)
    with server.database.write() as session:
        session.execute(delete(ProjectRow).where(ProjectRow.key == project))


def _delete_some(
    server: Server, table: type[PredictionRow] | type[ImageRow], project: int, batch: int
) -> bool:
    with server.database.write() as session:
        some = select(table.key).where(table.project_key == project).limit(batch)
        statement = delete(table).where(table.key.in_(some)).execution_options(synchronize_session=False)
        return cast("CursorResult[Any]", session.execute(statement)).rowcount == batch
