"""Projects and tags as they go over the wire."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import false, select, true
from sqlalchemy.orm import Session, aliased

from dahlia.server.contract.enums import CLASSIFIERS, ProjectStatus, TagType
from dahlia.server.contract.models import ImageProcessingSettings, Project, ProjectSettings, Tag
from dahlia.server.database.tables import ImageRow, ProjectRow, TagRow
from dahlia.server.http.addresses import Addresses


def project_answer(session: Session, row: ProjectRow, addresses: Addresses) -> Project:
    """A project."""
    return project_answers(session, [row], addresses)[0]


def project_answers(session: Session, rows: Sequence[ProjectRow], addresses: Addresses) -> list[Project]:
    """Projects, with one query for all of their thumbnails."""
    newest = _newest_images(session, [row.key for row in rows])
    return [_answer(row, newest.get(row.key), addresses) for row in rows]


def tag_answer(row: TagRow, image_count: int) -> Tag:
    """A tag with the number of its images."""
    return Tag(
        id=row.id,
        name=row.name,
        description=row.description,
        type=TagType(row.type),
        image_count=image_count,
    )


def _answer(row: ProjectRow, newest: str | None, addresses: Addresses) -> Project:
    shown = newest is not None and row.status == ProjectStatus.SUCCEEDED
    return Project(
        id=row.id,
        name=row.name,
        description=row.description,
        settings=_settings(row),
        created=row.created,
        last_modified=row.modified,
        thumbnail_uri=addresses.thumbnail(newest) if shown and newest else None,
        dr_mode_enabled=False,
        status=ProjectStatus(row.status),
    )


def _settings(row: ProjectRow) -> ProjectSettings:
    return ProjectSettings(
        domain_id=row.domain_id,
        classification_type=CLASSIFIERS[row.kind],
        target_export_platforms=tuple(row.export_platforms),
        use_negative_set=True,
        detection_parameters=None,
        image_processing_settings=ImageProcessingSettings(augmentation_methods=row.augmentation),
        export_model_container_uri=row.container_uri,
        notification_queue_uri=row.queue_uri,
    )


def _newest_images(session: Session, projects: Sequence[int]) -> dict[int, str]:
    newest: dict[int, tuple[int, str]] = {}
    for tagged in (true(), false()):
        image = aliased(ImageRow)
        # In the order of the index `images_in_order`, so that one entry of it is read for each project.
        last = (
            select(image.key)
            .where(image.project_key == ProjectRow.key, image.removed.is_(None), image.tagged == tagged)
            .order_by(image.removed.desc(), image.key.desc())
            .limit(1)
            .scalar_subquery()
        )
        found = (
            select(ProjectRow.key, ImageRow.key, ImageRow.sha256)
            .join(ImageRow, ImageRow.key == last)
            .where(ProjectRow.key.in_(projects))
        )
        for project, key, sha256 in session.execute(found):
            newest[project] = max(newest.get(project, (0, "")), (key, sha256))
    return {project: sha256 for project, (_, sha256) in newest.items()}
