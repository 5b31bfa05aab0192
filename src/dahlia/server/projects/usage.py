"""How much of what there may be is used, by a project and by the server."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from dahlia.server.context import Server
from dahlia.server.contract.own_projects import Disk, ProjectUsage, ServerUsage, Share
from dahlia.server.database.changes import GONE, project_of, visible
from dahlia.server.database.tables import ImageRow, KeyRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.work_tables import IterationRow, PredictionRow
from dahlia.server.disk import free_bytes, present
from dahlia.server.images.labels import takes_regions


def project_usage(session: Session, server: Server, project_id: str) -> ProjectUsage:
    """What a project has, beside the limits that are enforced.

    Raises:
        ServiceError: there is none.
    """
    project = project_of(session, project_id)
    limits, key = server.settings.limits, project.key
    regions = {}
    if takes_regions(project.kind):
        drawn = select(func.count()).select_from(RegionRow).join(TagRow, TagRow.key == RegionRow.tag_key)
        live = TagRow.project_key == key, visible(RegionRow, None)
        regions["regions"] = Share(used=_number(session.scalar(drawn.where(*live))), limit=None)
    return ProjectUsage(
        tags=Share(
            used=_count(session, TagRow.project_key == key, visible(TagRow, None)),
            limit=limits.tags_per_project,
        ),
        images=Share(
            used=_count(session, ImageRow.project_key == key, visible(ImageRow, None)),
            limit=limits.images_per_project,
        ),
        iterations=Share(
            used=_count(session, IterationRow.project_key == key), limit=limits.iterations_per_project
        ),
        predictions=Share(
            used=_count(session, PredictionRow.project_key == key, PredictionRow.image_key.is_(None)),
            limit=None,
        ),
        bytes=Disk(used=_bytes(session, ImageRow.project_key == key, PredictionRow.project_key == key)),
        **regions,
    )


def server_usage(session: Session, server: Server) -> ServerUsage:
    """What all projects have together, and how many keys are active."""
    projects = select(ProjectRow.key).where(ProjectRow.status != GONE)
    now = server.now()
    lasting = or_(KeyRow.expires.is_(None), KeyRow.expires > now)
    return ServerUsage(
        projects=Share(
            used=_count(session, ProjectRow.status != GONE), limit=server.settings.limits.projects
        ),
        images=Share(
            used=_count(session, ImageRow.project_key.in_(projects), visible(ImageRow, None)), limit=None
        ),
        iterations=Share(used=_count(session, IterationRow.project_key.in_(projects)), limit=None),
        predictions=Share(
            used=_count(session, PredictionRow.project_key.in_(projects), PredictionRow.image_key.is_(None)),
            limit=None,
        ),
        bytes=Disk(
            used=_bytes(session, ImageRow.project_key.in_(projects), PredictionRow.project_key.in_(projects))
        ),
        free_bytes=_free(server),
        keys=_count(session, KeyRow.revoked.is_(None), lasting),
    )


def _count(session: Session, *which: ColumnElement[bool]) -> int:
    return _number(session.scalar(select(func.count()).where(*which)))


def _bytes(session: Session, images: ColumnElement[bool], predictions: ColumnElement[bool]) -> int:
    """Of images, those that only iterations see included, and of stored predictions."""
    of_images = session.scalar(select(func.sum(ImageRow.size)).where(images))
    of_predictions = session.scalar(select(func.sum(PredictionRow.size)).where(predictions))
    return _number(of_images) + _number(of_predictions)


def _number(found: int | None) -> int:
    return int(found or 0)


def _free(server: Server) -> int | None:
    folder = server.storage.folder
    with suppress(OSError):
        return free_bytes(present(folder)) if folder else None
    return None
