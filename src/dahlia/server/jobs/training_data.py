"""What a training sees, and the names of what it leaves in the storage.

It sees the project as it was in the training's epoch, read from the database.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from dahlia.dataset.records import Region
from dahlia.errors import TrainingError
from dahlia.server.contract.domains import domain_of
from dahlia.server.contract.enums import TagType, TrainingType
from dahlia.server.database.changes import visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.images.metadata import group_of
from dahlia.server.storage.names import iteration_prefix
from dahlia.server.workspaces.snapshot import Photo, Snapshot, spelling

BUNDLE = "bundle"  # the trained model
SERVABLE = "servable"  # model.onnx and its card, with the server's ids
PREDICTIONS = "predictions.parquet"  # of held-out photos
EVALUATION = "evaluation.json"
PAGE = "evaluation.html"
VALIDATION = "validation.json"
VALIDATION_PAGE = "validation.html"
PROOF = ".verification.json"  # beside the zip of an export, in place of `.zip`


@dataclass(frozen=True)
class SizedPhoto:
    """An image that a training sees, and its size, which a workspace measures for itself.

    Attributes:
        photo: its file, tags and regions.
        width: pixels.
        height: pixels.
    """

    photo: Photo
    width: int
    height: int


def read_snapshot(session: Session, project: ProjectRow, iteration: IterationRow) -> Snapshot:
    """The snapshot of an iteration.

    Raises:
        TrainingError: the domain cannot be trained.
        ServiceError: there is no such domain.
    """
    domain = domain_of(iteration.domain_id)
    if domain.pipeline is None:
        raise TrainingError(
            f"Expected a domain that can be trained, received {domain.name} ({domain.type}). Choose one that "
            "classifies, such as General, and train again."
        )
    advanced = iteration.training_type == TrainingType.ADVANCED
    return Snapshot(
        project=project.pipeline_name,
        kind=iteration.kind,
        negative_tag=_negative_tag(session, project, iteration),
        use_negative_set=iteration.use_negative_set,
        domain=domain.pipeline,
        recipe="advanced" if advanced else "quick",
        budget_minutes=60.0 * iteration.budget_hours if advanced and iteration.budget_hours else None,
        photos=tuple(one.photo for one in read_photos(session, iteration)),
    )


def read_photos(session: Session, iteration: IterationRow) -> list[SizedPhoto]:
    """The tagged images of an iteration, the oldest first, tags by the names that its model knows.

    Their groups are those of now: metadata does not keep what it was.
    """
    names = _names(session, iteration)
    tags = _tags(session, iteration, names)
    regions = _regions(session, iteration, names)
    content = (ImageRow.sha256, ImageRow.suffix, ImageRow.width, ImageRow.height, ImageRow.details)
    rows = session.execute(
        select(ImageRow.key, *content)
        .where(*_seen(iteration, ImageRow))
        .order_by(ImageRow.key)
        .execution_options(yield_per=2000)
    )
    return [
        SizedPhoto(
            Photo(sha256, suffix, tuple(sorted(tags[key])), tuple(regions[key]), group_of(details)),
            width,
            height,
        )
        for key, sha256, suffix, width, height, details in rows
        if key in tags or key in regions
    ]


def artifact_key(iteration: str, name: str) -> str:
    """The key of a file, or the prefix of a folder, of an iteration."""
    return f"{iteration_prefix(iteration)}/{name}"


def proof_key(export: str) -> str:
    """The key of the proof of an export, by that of its zip."""
    return export.removesuffix(".zip") + PROOF


def _names(session: Session, iteration: IterationRow) -> dict[int, str]:
    # What a tag was called when the training was asked for is what its model calls it.
    names = {identity: spelling(name) for name, identity in iteration.tag_ids.items()}
    rows = session.execute(select(TagRow.key, TagRow.id).where(*_seen(iteration, TagRow)))
    return {key: names[identity] for key, identity in rows if identity in names}


def _negative_tag(session: Session, project: ProjectRow, iteration: IterationRow) -> str | None:
    negative = select(TagRow.key).where(*_seen(iteration, TagRow), TagRow.type == TagType.NEGATIVE)
    key = session.scalar(negative)
    return None if key is None else _names(session, iteration).get(key)


def _tags(session: Session, iteration: IterationRow, names: dict[int, str]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    rows = session.execute(
        select(ImageTagRow.image_key, ImageTagRow.tag_key)
        .join(TagRow, TagRow.key == ImageTagRow.tag_key)
        .where(TagRow.project_key == iteration.project_key, visible(ImageTagRow, iteration.epoch))
        .execution_options(yield_per=5000)
    )
    for image, tag in rows:
        if tag in names:
            found[image].add(names[tag])
    return found


def _regions(session: Session, iteration: IterationRow, names: dict[int, str]) -> dict[int, list[Region]]:
    found: dict[int, list[Region]] = defaultdict(list)
    shape = (RegionRow.left, RegionRow.top, RegionRow.width, RegionRow.height)
    rows = session.execute(
        select(RegionRow.image_key, RegionRow.tag_key, *shape)
        .join(TagRow, TagRow.key == RegionRow.tag_key)
        .where(TagRow.project_key == iteration.project_key, visible(RegionRow, iteration.epoch))
        .order_by(RegionRow.key)
        .execution_options(yield_per=5000)
    )
    for image, tag, left, top, width, height in rows:
        if tag in names:
            found[image].append(Region(names[tag], left, top, width, height))
    return found


def _seen(
    iteration: IterationRow, table: type[TagRow] | type[ImageRow]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (table.project_key == iteration.project_key, visible(table, iteration.epoch))
