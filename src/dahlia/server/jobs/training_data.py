"""What a training sees, and the names of what it leaves in the storage.

It sees the project as it was in the training's epoch, read from the database.

To a detector what lies outside of regions is background, so an image is background alone only where somebody
has said so. The API has no word for that. But where a training is of chosen tags, an image whose regions are
all of other tags may say it: it is background if a region was drawn in it after all of the chosen tags were
made, since who drew it could have drawn theirs, and if each of its tags has a region. An image that was
annotated before a chosen tag was made says nothing about that tag, and is left out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from dahlia.dataset.records import Region
from dahlia.dataset.tag_rules import TAG_RULES
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
            f"Expected a domain that can be trained, received {domain.name} ({domain.type}), which was "
            "withdrawn. Choose another, such as General, and train again."
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
    """The annotated images of an iteration, the oldest first, tags by the names that its model knows.

    Their groups are those of now: metadata does not keep what it was.
    """
    names = _names(session, iteration)
    tags = _tags(session, iteration, names)
    regions = _regions(session, iteration, names)
    background = _background(session, iteration) - tags.keys() - regions.keys()
    content = (ImageRow.sha256, ImageRow.suffix, ImageRow.width, ImageRow.height, ImageRow.details)
    rows = session.execute(
        select(ImageRow.key, *content)
        .where(*_seen(iteration, ImageRow))
        .order_by(ImageRow.key)
        .execution_options(yield_per=2000)
    )
    return [
        SizedPhoto(
            Photo(
                sha256,
                suffix,
                tuple(sorted(tags.get(key, ()))),
                tuple(regions.get(key, ())),
                group_of(details),
                empty=key in background,
            ),
            width,
            height,
        )
        for key, sha256, suffix, width, height, details in rows
        if key in tags or key in regions or key in background
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


def _background(session: Session, iteration: IterationRow) -> set[int]:
    """Keys of the images that were annotated when the chosen tags could be drawn; see the module."""
    if not (iteration.chosen_tags and TAG_RULES[iteration.kind].boxed):
        return set()
    made = select(func.max(TagRow.created)).where(
        TagRow.project_key == iteration.project_key, TagRow.id.in_(iteration.chosen_tags)
    )
    drawn = and_(
        RegionRow.image_key == ImageTagRow.image_key,
        RegionRow.tag_key == ImageTagRow.tag_key,
        visible(RegionRow, iteration.epoch),
    )
    rows = session.execute(
        select(ImageTagRow.image_key)
        .join(TagRow, TagRow.key == ImageTagRow.tag_key)
        .outerjoin(RegionRow, drawn)
        .where(TagRow.project_key == iteration.project_key, visible(ImageTagRow, iteration.epoch))
        .group_by(ImageTagRow.image_key)
        .having(
            func.count(ImageTagRow.tag_key.distinct()) == func.count(RegionRow.tag_key.distinct()),
            func.max(RegionRow.created) > session.scalar(made),
        )
    )
    return set(rows.scalars())


def _seen(
    iteration: IterationRow, table: type[TagRow] | type[ImageRow]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (table.project_key == iteration.project_key, visible(table, iteration.epoch))
