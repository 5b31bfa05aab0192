"""Rows of projects that were rebuilt, and of images that no iteration names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import insert
from sqlalchemy.orm import Session

from dahlia.server.contract.domains import DEFAULT
from dahlia.server.contract.enums import Classifier, ExportStatus, ProjectStatus
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import ExportRow, IterationRow
from dahlia.server.jobs.platforms import form_of
from dahlia.server.projects.choices import AUGMENTATION
from dahlia.server.rescue.photos import StoredPhoto
from dahlia.server.rescue.rebuilding import Rebuilt
from dahlia.server.rescue.timeline import PastImage, PastTag
from dahlia.server.workspaces.snapshot import pipeline_name

RESCUED = "Rescued images"

_BATCH = 1000
_ABOUT = (
    "Images of the storage that no iteration names: never trained, of a detector, or of kept predictions."
)
_Item = TypeVar("_Item")


def insert_project(session: Session, rebuilt: Rebuilt, photos: Mapping[str, StoredPhoto]) -> int:
    """Insert a project with all that it holds.

    Returns:
        How many exports it has.
    """
    project = ProjectRow(**rebuilt.columns)
    session.add(project)
    session.flush()
    tags = _insert_tags(session, project.key, rebuilt.timeline.tags)
    for images in _batches(rebuilt.timeline.images):
        keys = _insert_images(session, [_image(project, image, photos[image.sha256]) for image in images])
        _insert_labels(session, project, list(zip(images, keys, strict=True)), tags)
    return _insert_iterations(session, project, rebuilt)


def insert_unnamed(session: Session, photos: Mapping[str, StoredPhoto], named: set[str], now: Any) -> str:
    """Insert a project of the images that nobody names, untagged.

    They are kept apart, since they may be of any project, or deleted from it on purpose.

    Returns:
        Its id.
    """
    identity = new_id()
    project = ProjectRow(
        id=identity, name=RESCUED, description=_ABOUT, pipeline_name=pipeline_name(RESCUED, identity),
        domain_id=DEFAULT.id, classification=Classifier.MULTILABEL, export_platforms=[],
        augmentation=dict(AUGMENTATION), container_uri=None, queue_uri=None, status=ProjectStatus.SUCCEEDED,
        created=now, modified=now, epoch=1, revision=1, iterations_made=0,
    )  # fmt: skip
    session.add(project)
    session.flush()
    unnamed = (PastImage(new_id(), sha256, None, {}, 1) for sha256 in photos if sha256 not in named)
    for images in _batches(unnamed):
        _insert_images(session, [_image(project, image, photos[image.sha256]) for image in images])
    return identity


def _insert_tags(session: Session, project: int, tags: Sequence[PastTag]) -> dict[str, int]:
    rows = [
        TagRow(project_key=project, added=tag.added, removed=tag.removed, **tag.part.model_dump())
        for tag in tags
    ]
    session.add_all(rows)
    session.flush()
    return {row.id: row.key for row in rows}


def _image(project: ProjectRow, image: PastImage, photo: StoredPhoto) -> dict[str, Any]:
    return {
        "id": image.id,
        "project_key": project.key,
        "sha256": image.sha256,
        "suffix": photo.suffix,
        "width": photo.width,
        "height": photo.height,
        "size": photo.size,
        "details": image.metadata,
        "tagged": bool(image.live),
        "created": image.created or photo.modified,
        "added": image.added,
        "removed": image.removed,
    }


def _insert_images(session: Session, rows: Sequence[dict[str, Any]]) -> Sequence[int]:
    inserted = insert(ImageRow).returning(ImageRow.key, sort_by_parameter_order=True)
    return session.scalars(inserted, rows).all()


def _insert_labels(
    session: Session, project: ProjectRow, images: Sequence[tuple[PastImage, int]], tags: Mapping[str, int]
) -> None:
    labels: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    for image, key in images:
        for label in image.labels:
            row = {
                "image_key": key,
                "tag_key": tags[label.tag.part.id],
                "created": image.created or project.created,
                "added": label.added,
                "removed": label.removed,
            }
            if label.region is None:
                labels.append(row)
            else:
                sides = {side: getattr(label.region, side) for side in ("left", "top", "width", "height")}
                regions.append({"id": label.region.id, **sides, **row})
    for table, rows in ((ImageTagRow, labels), (RegionRow, regions)):
        if rows:
            session.execute(insert(table), rows)


def _insert_iterations(session: Session, project: ProjectRow, rebuilt: Rebuilt) -> int:
    count = 0
    for columns, exports in rebuilt.iterations:
        row = IterationRow(project_key=project.key, **columns)
        session.add(row)
        session.flush()
        for key in exports:
            if (export := _export(row, key)) is not None:
                session.add(export)
                count += 1
    return count


def _export(row: IterationRow, key: str) -> ExportRow | None:
    """An export by the name of its file: the iteration's id, platform and flavour; None for another name."""
    name = key.rpartition("/")[2].removesuffix(".zip")
    platform, _, flavor = name.removeprefix(f"{row.id}.").partition(".")
    if not name.startswith(f"{row.id}.") or form_of(platform, flavor or None) is None:
        return None
    return ExportRow(
        id=new_id(), iteration_key=row.key, platform=platform, flavor=flavor or None,
        status=ExportStatus.DONE, file_key=key, error=None, created=row.modified,
    )  # fmt: skip


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    left = iter(items)
    while batch := list(islice(left, _BATCH)):
        yield batch
