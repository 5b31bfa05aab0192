"""The tags that a training is asked for, and whether the workspace has enough images of them.

A classifier learns from images that have a tag. A detector learns from images in which regions are drawn, and
of those only from the ones that have a region of each of their tags: where one lacks it, the object is there
and nobody has said where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.kinds import Kind
from dahlia.server.contract.enums import TagType, not_found
from dahlia.server.database.changes import visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.iterations.training_request import TrainingRequest
from dahlia.settings.sections import LimitsSection

_NAMED = 5  # tags in a refusal; a project may have hundreds


@dataclass(frozen=True)
class CountedTag:
    """A tag of the workspace.

    Attributes:
        id: of it.
        name: as it is called now.
        type: what it stands for.
        key: of its row.
        images: those that have it; of `TrainedTags`, those that a training would use.
    """

    id: str
    name: str
    type: TagType
    key: int
    images: int


@dataclass(frozen=True)
class TrainedTags:
    """What a training is to learn.

    Attributes:
        tags: those that were chosen, or all that have images.
        images: the images that it would use, as often as `TrainingRules.count` counts them.
    """

    tags: tuple[CountedTag, ...]
    images: int


@dataclass(frozen=True)
class TrainingRules:
    """What a training of a kind needs.

    Attributes:
        code: the API's, for tags or images that are too few.
        what: the images that count, in words.
        advice: what to do where there are too few.
        more: what to do where tags are too few.
        least_tags: how many tags are needed.
        least_images: how many images of each.
        negative: whether the negative tag may be learned.
        count: the tags with the images that a training would use, and how many these are.
        unused: the images that never count, and what is said of them.
    """

    code: str
    what: str
    advice: str
    more: str
    least_tags: Callable[[LimitsSection], int]
    least_images: Callable[[LimitsSection], int]
    negative: bool
    count: Callable[[Session, ProjectRow, Sequence[CountedTag]], TrainedTags]
    unused: Callable[[], tuple[ColumnElement[bool], str]]


def tags_to_train(
    session: Session, project: ProjectRow, request: TrainingRequest, limits: LimitsSection
) -> TrainedTags:
    """The tags that are trained: those that were chosen, or all that have images.

    Raises:
        ServiceError: a chosen tag is not there or cannot be learned, or there are not enough tags or images.
    """
    rules = TRAINABLE[project.kind]
    tagged = _tagged(session, project)
    chosen = _chosen(tagged, request.tags) if request.tags else tagged
    if not rules.negative:
        _refuse_negative(chosen)
    wanted = chosen if request.tags else [one for one in chosen if one.images]
    found = rules.count(session, project, wanted)
    least = rules.least_images(limits)
    few = [one for one in found.tags if one.images < least]
    if few:
        problem = _too_few_images(few, least, rules)
    elif len(found.tags) < rules.least_tags(limits):
        problem = _too_few_tags(found.tags, rules.least_tags(limits), least, rules)
    else:
        return found
    raise ServiceError(rules.code, problem + _unused(session, project, rules))


def _by_tags(session: Session, project: ProjectRow, wanted: Sequence[CountedTag]) -> TrainedTags:
    """An image with several tags counts once for each."""
    return TrainedTags(tuple(wanted), sum(one.images for one in wanted))


def _by_regions(session: Session, project: ProjectRow, wanted: Sequence[CountedTag]) -> TrainedTags:
    keys = [one.key for one in wanted]
    drawn = and_(RegionRow.image_key == ImageTagRow.image_key, RegionRow.tag_key == ImageTagRow.tag_key)
    incomplete = select(ImageTagRow.image_key).where(
        ImageTagRow.tag_key.in_(keys),
        visible(ImageTagRow, None),
        ~exists().where(drawn, visible(RegionRow, None)),
    )
    used = (
        RegionRow.tag_key.in_(keys),
        visible(RegionRow, None),
        visible(ImageRow, None),
        RegionRow.image_key.not_in(incomplete),
    )
    images = func.count(RegionRow.image_key.distinct())
    present = ImageRow.key == RegionRow.image_key
    of_tags = select(RegionRow.tag_key, images).join(ImageRow, present).where(*used)
    counts = dict(session.execute(of_tags.group_by(RegionRow.tag_key)).all())
    tags = tuple(replace(one, images=counts.get(one.key, 0)) for one in wanted)
    return TrainedTags(tags, session.scalar(select(images).join(ImageRow, present).where(*used)) or 0)


def _without_tag() -> tuple[ColumnElement[bool], str]:
    return ImageRow.tagged.is_(False), "without a tag"


def _without_region() -> tuple[ColumnElement[bool], str]:
    boxed = exists().where(RegionRow.image_key == ImageRow.key, visible(RegionRow, None))
    return ~boxed, "without a region"


_CLASSIFIER = TrainingRules(
    code="BadRequestMultiClassClassificationTrainingValidationFailed",
    what="images",
    advice="Add images, or take the tag from those that have it.",
    more="Tag images with more tags, or choose more.",
    least_tags=lambda limits: limits.min_tags,
    least_images=lambda limits: limits.min_images_per_tag,
    negative=True,
    count=_by_tags,
    unused=_without_tag,
)
TRAINABLE: dict[Kind, TrainingRules] = {
    "multiclass": _CLASSIFIER,
    "multilabel": replace(_CLASSIFIER, code="BadRequestMultiLabelClassificationTrainingValidationFailed"),
    "detection": TrainingRules(
        code="BadRequestDetectionTrainingValidationFailed",
        what="images with regions",
        advice="Draw regions in more images, of all their tags, or choose other tags.",
        more="Draw regions around the objects in images, and give them a tag.",
        least_tags=lambda limits: 1,
        least_images=lambda limits: limits.min_boxed_images_per_tag,
        negative=False,
        count=_by_regions,
        unused=_without_region,
    ),
}
"""What can be trained."""


def _tagged(session: Session, project: ProjectRow) -> list[CountedTag]:
    assigned = and_(ImageTagRow.tag_key == TagRow.key, visible(ImageTagRow, None))
    present = and_(ImageRow.key == ImageTagRow.image_key, visible(ImageRow, None))
    rows = session.execute(
        select(TagRow.id, TagRow.name, TagRow.type, TagRow.key, func.count(ImageRow.key))
        .outerjoin(ImageTagRow, assigned)
        .outerjoin(ImageRow, present)
        .where(TagRow.project_key == project.key, visible(TagRow, None))
        .group_by(TagRow.key)
        .order_by(TagRow.key)
    )
    return [
        CountedTag(identity, name, TagType(kind), key, images) for identity, name, kind, key, images in rows
    ]


def _chosen(found: list[CountedTag], tags: tuple[str, ...]) -> list[CountedTag]:
    known = {one.id for one in found}
    for identity in tags:
        if identity not in known:
            raise not_found("Tag", identity)
    return [one for one in found if one.id in tags]


def _refuse_negative(tags: Sequence[CountedTag]) -> None:
    negative = next((one for one in tags if one.type is TagType.NEGATIVE), None)
    if negative is not None:
        raise ServiceError(
            "BadRequestDetectionTrainingNotAllowNegativeTag",
            f"Expected tags of objects, received {negative.name!r}, which is the negative tag: to a detector "
            "all that lies outside of regions is negative. Delete the tag, or choose others with "
            "selectedTags.",
        )


def _unused(session: Session, project: ProjectRow, rules: TrainingRules) -> str:
    which, words = rules.unused()
    unused = select(func.count()).where(ImageRow.project_key == project.key, visible(ImageRow, None), which)
    count = session.scalar(unused) or 0
    return f" Images of the project {words}, which do not count: {count}." if count else ""


def _too_few_images(few: Sequence[CountedTag], least: int, rules: TrainingRules) -> str:
    named = ", ".join(f"{one.name!r} has {one.images}" for one in few[:_NAMED])
    more = f" and {len(few) - _NAMED} tags more" if len(few) > _NAMED else ""
    return (
        f"Not enough images for training: expected at least {least} {rules.what} for each tag, received: "
        f"{named}{more}. {rules.advice}"
    )


def _too_few_tags(
    found: Sequence[CountedTag], least_tags: int, least_images: int, rules: TrainingRules
) -> str:
    tags = "tag" if least_tags == 1 else "tags"
    return (
        f"Not enough images for training: expected at least {least_tags} {tags} with {least_images} "
        f"{rules.what} each, received {len(found)}. {rules.more}"
    )
