"""Tags: finding, counting, making, changing and deleting them, and what they may be called and stand for.

A live row of `image_tags` has a live image and a live tag: with an image or a tag its rows are taken away. So
counting images needs no look at the images.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from dahlia.errors import ServiceError
from dahlia.kinds import Kind
from dahlia.server.context import Server
from dahlia.server.contract.bodies import TagChange
from dahlia.server.contract.enums import TagType, not_found
from dahlia.server.database.changes import changed, locked, remove, visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.projects.choices import description_of
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


@dataclass(frozen=True)
class CountedTag:
    """A tag and the number of its images."""

    row: TagRow
    images: int


def tags_of(session: Session, project: ProjectRow, epoch: int | None) -> list[CountedTag]:
    """The tags of the workspace (no epoch) or of an iteration, the oldest first."""
    return _counted(session, epoch, TagRow.project_key == project.key)


def counted_tag(session: Session, project: ProjectRow, tag_id: str, epoch: int | None) -> CountedTag:
    """One of them.

    Raises:
        ServiceError: there is none.
    """
    found = _counted(session, epoch, TagRow.project_key == project.key, TagRow.id == tag_id)
    if not found:
        raise not_found("Tag", tag_id)
    return found[0]


def tag_of(session: Session, project: ProjectRow, tag_id: str) -> TagRow:
    """A tag of the workspace, uncounted.

    Raises:
        ServiceError: there is none.
    """
    row = session.scalar(
        select(TagRow).where(TagRow.project_key == project.key, TagRow.id == tag_id, visible(TagRow, None))
    )
    if row is None:
        raise not_found("Tag", tag_id)
    return row


def create_tag(
    session: Session, server: Server, project_id: str, name: str, description: str | None, kind: str | None
) -> TagRow:
    """Make a tag. Names that differ in case are two names, as they are to file systems and models.

    Raises:
        ServiceError: there is no such project, name or type cannot be used, or there are too many tags.
    """
    project = changed(session, project_id, server.now())
    _check_limit(session, server, project)
    row = TagRow(
        id=new_id(),
        project_key=project.key,
        name=chosen_name(session, project, name, None),
        description=description_of(description, "tag", "BadRequestTagDescription"),
        type=check_kind(session, project, chosen_kind(kind), None),
        created=server.now(),
        added=project.epoch,
        removed=None,
    )
    session.add(row)
    session.flush()
    return row


def change_tag(
    session: Session, server: Server, project_id: str, tag_id: str, change: TagChange
) -> CountedTag:
    """Change name, description or type; what is left out, or null, stays.

    Iterations that were trained before know the tag by its id and show its new name.

    Raises:
        ServiceError: there is no such project or tag, or it cannot be changed so.
    """
    project = locked(session, project_id, server.now())
    row = tag_of(session, project, tag_id)
    before = (row.name, row.type)
    if change.name is not None:
        row.name = chosen_name(session, project, change.name, row)
    if change.description is not None:
        row.description = description_of(change.description, "tag", "BadRequestTagDescription")
    if change.type is not None:
        row.type = check_kind(session, project, TagType(change.type), row)
    if before != (row.name, row.type):
        project.revision += 1
    session.flush()
    return counted_tag(session, project, tag_id, None)


def delete_tag(session: Session, server: Server, project_id: str, tag_id: str) -> TagRow:
    """Delete a tag with its regions, and take it off its images; iterations that know it keep it.

    Raises:
        ServiceError: there is no such project or tag.
    """
    project = changed(session, project_id, server.now())
    row = tag_of(session, project, tag_id)
    session.execute(
        update(ImageRow)
        .where(ImageRow.key.in_(_only_tagged_with(row)))
        .values(tagged=False)
        .execution_options(synchronize_session=False)
    )
    remove(session, ImageTagRow, ImageTagRow.tag_key == row.key, project.epoch)
    remove(session, RegionRow, RegionRow.tag_key == row.key, project.epoch)
    remove(session, TagRow, TagRow.key == row.key, project.epoch)
    session.expunge(row)
    return row


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
            negative, and has regions or shares an image with another.
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
        _check_undrawn(session, tag)
    return kind


def _only_tagged_with(tag: TagRow) -> Select[int]:
    other = aliased(ImageTagRow)
    elsewhere = exists().where(
        other.image_key == ImageTagRow.image_key, other.tag_key != tag.key, other.removed.is_(None)
    )
    return select(ImageTagRow.image_key).where(
        ImageTagRow.tag_key == tag.key, ImageTagRow.removed.is_(None), ~elsewhere
    )


def _counted(session: Session, epoch: int | None, *which: ColumnElement[bool]) -> list[CountedTag]:
    images = (
        select(ImageTagRow.tag_key, func.count().label("images"))
        .join(TagRow, TagRow.key == ImageTagRow.tag_key)
        .where(*which, visible(ImageTagRow, epoch))
        .group_by(ImageTagRow.tag_key)
        .subquery()
    )
    found = session.execute(
        select(TagRow, func.coalesce(images.c.images, 0))
        .outerjoin(images, images.c.tag_key == TagRow.key)
        .where(*which, visible(TagRow, epoch))
        .order_by(TagRow.key)
    )
    return [CountedTag(row, count) for row, count in found]


def _check_limit(session: Session, server: Server, project: ProjectRow) -> None:
    most = server.settings.limits.tags_per_project
    live = select(func.count()).where(TagRow.project_key == project.key, visible(TagRow, None))
    count = session.scalar(live) or 0
    if count >= most:
        raise ServiceError(
            "BadRequestExceedTagPerProjectLimit",
            f"Expected at most {most} tags in a project, and there are {count}. Delete one, or raise "
            "limits.tags_per_project in the server's settings.",
        )


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


def _check_undrawn(session: Session, tag: TagRow) -> None:
    drawn = exists().where(RegionRow.tag_key == tag.key, visible(RegionRow, None))
    if session.scalar(select(drawn)):
        raise ServiceError(
            "BadRequestTagType",
            f"Expected a tag without regions as the negative one, received {tag.name!r}, which has some: to "
            "a detector all that lies outside of regions is negative. Delete its regions first.",
        )
