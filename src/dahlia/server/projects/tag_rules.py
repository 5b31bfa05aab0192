"""What tags may be called and stand for."""

from __future__ import annotations

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from dahlia.errors import ServiceError
from dahlia.kinds import Kind
from dahlia.server.contract.enums import TagType
from dahlia.server.database.changes import visible
from dahlia.server.database.tables import ImageTagRow, ProjectRow, TagRow
from dahlia.server.workspaces.snapshot import check_tag_name, spelling

_SECOND = {
    TagType.NEGATIVE: "BadRequestMultipleNegativeTag",
    TagType.GENERAL_PRODUCT: "BadRequestMultipleGeneralProductTag",
}
_CLASSIFIED = frozenset({TagType.REGULAR, TagType.NEGATIVE})
_TYPES: dict[Kind, frozenset[TagType]] = {
    "multiclass": _CLASSIFIED,
    "multilabel": _CLASSIFIED,
    "detection": frozenset(TagType),
}


def chosen_name(session: Session, project: ProjectRow, given: str, tag: TagRow | None) -> str:
    """A tag's name in the spelling that models know: composed (NFC), without outer spaces.

    Args:
        session: that locked the project.
        project: whose tag it is.
        given: the name as it was sent.
        tag: whose name it becomes; None for a new one.

    Raises:
        ServiceError: no tag can have it, or another one has it.
    """
    name = spelling(given)
    reason = check_tag_name(name)
    if reason:
        raise ServiceError("BadRequestTagName", reason)
    has_it = select(TagRow.id).where(
        TagRow.project_key == project.key, TagRow.name == name, visible(TagRow, None)
    )
    other = session.scalar(has_it)
    if other is not None and (tag is None or other != tag.id):
        raise ServiceError(
            "BadRequestTagNameNotUnique",
            f"Expected a name that no tag of the project has, received {name!r}, which the tag {other} has. "
            "Use that tag, or choose another name.",
        )
    return name


def chosen_kind(given: str | None) -> TagType:
    """What a new tag stands for; `Regular` where nothing is said.

    Raises:
        ServiceError: there is no such type.
    """
    known = {each.lower(): each for each in TagType}
    if not given:
        return TagType.REGULAR
    if given.lower() not in known:
        raise ServiceError(
            "BadRequestTagType",
            f"Expected {', '.join(TagType)} as the type of a tag, received {given[:80]!r}. Choose one.",
        )
    return known[given.lower()]


def check_kind(session: Session, project: ProjectRow, kind: TagType, tag: TagRow | None) -> TagType:
    """The type, if the tag can have it.

    Args:
        session: that locked the project.
        project: whose tag it is.
        kind: what it is to stand for.
        tag: which; None for a new one.

    Raises:
        ServiceError: products are for detection; another tag is of that type already; or the tag is to be
            negative and shares an image with another.
    """
    if tag is not None and tag.type == kind:
        return kind
    if kind not in _TYPES[project.kind]:
        raise ServiceError(
            "BadRequestTagType",
            "Expected Regular or Negative in a classification project, received GeneralProduct. That type is "
            "for projects that detect products on shelves.",
        )
    if kind in _SECOND:
        _check_alone(session, project, kind)
    if kind is TagType.NEGATIVE and tag is not None:
        _check_apart(session, tag)
    return kind


def _check_alone(session: Session, project: ProjectRow, kind: TagType) -> None:
    other = session.scalar(
        select(TagRow.name).where(
            TagRow.project_key == project.key, TagRow.type == kind, visible(TagRow, None)
        )
    )
    if other is not None:
        raise ServiceError(
            _SECOND[kind],
            f"Expected at most one tag of type {kind} in a project, and {other!r} is one. Use that tag, or "
            "change its type to Regular first.",
        )


def _check_apart(session: Session, tag: TagRow) -> None:
    other = aliased(ImageTagRow)
    shared = exists().where(
        ImageTagRow.tag_key == tag.key,
        visible(ImageTagRow, None),
        other.image_key == ImageTagRow.image_key,
        other.tag_key != tag.key,
        other.removed.is_(None),
    )
    if session.scalar(select(shared)):
        raise ServiceError(
            "BadRequestNegativeAndRegularTagOnSameImage",
            f"Expected no image that has {tag.name!r} and another tag, because a negative tag stands alone. "
            "Take one of the two off these images first.",
        )
