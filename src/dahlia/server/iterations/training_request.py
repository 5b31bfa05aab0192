"""What a client asks to be trained: its budget, and its tags, which need enough images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.kinds import Kind
from dahlia.server.contract.enums import TrainingType, not_found
from dahlia.server.database.changes import visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, TagRow
from dahlia.server.workspaces.progress import estimate_seconds
from dahlia.settings.sections import LimitsSection

TRAINABLE: dict[Kind, str] = {
    "multiclass": "BadRequestMultiClassClassificationTrainingValidationFailed",
    "multilabel": "BadRequestMultiLabelClassificationTrainingValidationFailed",
}
"""What can be trained, with the API's code for tags or images that are too few."""
_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_LONGEST_ADDRESS = 254  # RFC 5321
_NAMED = 5  # tags in a refusal; a project may have hundreds


@dataclass(frozen=True)
class TrainingRequest:
    """What is to be trained, and how.

    Attributes:
        type: the recipe.
        budget_hours: of the advanced recipe; 0 for the quick one.
        tags: ids of the tags to train on; all where there are none.
        base: ids of the project and the iteration to start from.
        force: whether to train although nothing has changed.
    """

    type: TrainingType = TrainingType.REGULAR
    budget_hours: int = 0
    tags: tuple[str, ...] = ()
    base: tuple[str, str] | None = None
    force: bool = False


def check_budget(request: TrainingRequest, most_hours: float) -> None:
    """Refuse an advanced training with a budget that does not do.

    Args:
        request: what is to be trained.
        most_hours: that a training may take on this server.

    Raises:
        ServiceError: the budget is too low, or more than a training may take.
    """
    if request.type is not TrainingType.ADVANCED:
        return
    if request.budget_hours < 1:
        raise ServiceError(
            "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining",
            "Expected reservedBudgetInHours of at least 1 for Advanced training, received "
            f"{request.budget_hours}. Raise it, or train with the type Regular.",
        )
    if request.budget_hours > most_hours:
        raise ServiceError(
            "BadRequestTrainingValidationFailed",
            f"Expected reservedBudgetInHours of at most {most_hours:g}, as long as a training may take on "
            f"this server, received {request.budget_hours}. Lower it, or raise the server's setting "
            "jobs.training_timeout_hours.",
        )


def check_address(text: str | None) -> None:
    """Refuse what is no e-mail address; none at all is fine.

    Raises:
        ServiceError: it is none.
    """
    if text and (len(text) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(text)):
        raise ServiceError(
            "BadRequestInvalidEmailAddress",
            f"Expected an e-mail address such as me@example.org, received {text[:80]!r}. Send "
            "another one, or omit it.",
        )


@dataclass(frozen=True)
class CountedTag:
    """A tag of the workspace and the number of its images."""

    id: str
    name: str
    images: int


def tags_to_train(
    session: Session, project: ProjectRow, request: TrainingRequest, limits: LimitsSection
) -> tuple[CountedTag, ...]:
    """The tags that are trained: those that were chosen, or all that have images.

    Raises:
        ServiceError: a chosen tag is not there, or there are not enough tags or images.
    """
    found = _counted(session, project)
    found = _chosen(found, request.tags) if request.tags else [one for one in found if one.images]
    few = [one for one in found if one.images < limits.min_images_per_tag]
    if few:
        problem = _too_few_images(few, limits.min_images_per_tag)
    elif len(found) < limits.min_tags:
        problem = _too_few_tags(found, limits)
    else:
        return tuple(found)
    raise ServiceError(TRAINABLE[project.kind], problem + _without_tags(session, project))


def expected_seconds(tags: Sequence[CountedTag], request: TrainingRequest) -> float:
    """Seconds that their training is thought to take, as if all images were new to the workspace.

    An image with several tags counts once for each.
    """
    advanced = request.type is TrainingType.ADVANCED
    return estimate_seconds(
        sum(one.images for one in tags),
        len(tags),
        "advanced" if advanced else "quick",
        60.0 * request.budget_hours if request.budget_hours else None,
        warm=not advanced,
    )


def _counted(session: Session, project: ProjectRow) -> list[CountedTag]:
    assigned = and_(ImageTagRow.tag_key == TagRow.key, visible(ImageTagRow, None))
    present = and_(ImageRow.key == ImageTagRow.image_key, visible(ImageRow, None))
    rows = session.execute(
        select(TagRow.id, TagRow.name, func.count(ImageRow.key))
        .outerjoin(ImageTagRow, assigned)
        .outerjoin(ImageRow, present)
        .where(TagRow.project_key == project.key, visible(TagRow, None))
        .group_by(TagRow.key)
        .order_by(TagRow.key)
    )
    return [CountedTag(identity, name, images) for identity, name, images in rows]


def _chosen(found: list[CountedTag], tags: tuple[str, ...]) -> list[CountedTag]:
    known = {one.id for one in found}
    for identity in tags:
        if identity not in known:
            raise not_found("Tag", identity)
    return [one for one in found if one.id in tags]


def _without_tags(session: Session, project: ProjectRow) -> str:
    unused = ImageRow.project_key == project.key, visible(ImageRow, None), ImageRow.tagged.is_(False)
    count = session.scalar(select(func.count()).select_from(ImageRow).where(*unused)) or 0
    return f" Images of the project without a tag, which do not count: {count}." if count else ""


def _too_few_images(few: list[CountedTag], least: int) -> str:
    named = ", ".join(f"{one.name!r} has {one.images}" for one in few[:_NAMED])
    more = f" and {len(few) - _NAMED} tags more" if len(few) > _NAMED else ""
    return (
        f"Not enough images for training: expected at least {least} images for each tag, received: "
        f"{named}{more}. Add images, or take the tag from those that have it."
    )


def _too_few_tags(found: list[CountedTag], limits: LimitsSection) -> str:
    return (
        f"Not enough images for training: expected at least {limits.min_tags} tags with "
        f"{limits.min_images_per_tag} images each, received {len(found)}. Tag images with more tags, or "
        "choose more."
    )
