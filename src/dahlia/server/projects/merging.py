"""Two tags that become one: what has the first gets the second, then the first is deleted.

A part of the images at a time, so that other writers wait no longer than for any bulk change. What stops it
in between leaves both tags, each image with one of them, and the same call goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import and_, insert, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.enums import TagType, not_found
from dahlia.server.database.changes import locked, remove
from dahlia.server.database.tables import ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.images.labels import Box, live_tags
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access
from dahlia.server.projects.tags import CountedTag, counted_tag, delete_tag, tag_of

MOVED_AT_ONCE = 500
"""Images whose labels change in one transaction; other writers wait meanwhile."""
_PAUSE = 0.005  # seconds; who takes a lock again at once never lets those in who wait for it


def merge_tags(server: Server, access: Access, project_id: str, tag_id: str, into: str) -> CountedTag:
    """Give all that has a tag another one in its place, and delete the first; iterations keep it.

    Args:
        server: of the project.
        access: of the caller.
        project_id: of the project.
        tag_id: of the tag that ends.
        into: id of the tag that remains.

    Returns:
        The tag that remains.

    Raises:
        ServiceError: there is no such project or tag, it is one tag, or one of them is the negative tag.
    """
    begun = False
    while True:
        with server.database.write() as session:
            project = locked(session, project_id, server.now())
            ended, remaining = _pair(session, project, tag_id, into)
            if not begun:
                record(
                    session, server, access, "merge_tags", project_id,
                    tag=tag_id, name=ended.name, into=into, into_name=remaining.name,
                )  # fmt: skip
                begun = True
            if _move_some(session, project, ended.key, remaining.key) < MOVED_AT_ONCE:
                delete_tag(session, server, project_id, tag_id)
                return counted_tag(session, project, into, None)
        time.sleep(_PAUSE)


def _pair(session: Session, project: ProjectRow, tag_id: str, into: str) -> tuple[TagRow, TagRow]:
    ended = tag_of(session, project, tag_id)
    if into == tag_id:
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected two tags, received {ended.name!r} twice. Name another tag that remains.",
        )
    if into not in live_tags(session, project, [into]):
        raise not_found("Tag", into, "into")
    remaining = tag_of(session, project, into)
    if TagType.NEGATIVE in (ended.type, remaining.type):
        negative = ended if ended.type == TagType.NEGATIVE else remaining
        raise ServiceError(
            "BadRequestTagType",
            f"Expected two tags that each name something, received {negative.name!r}, which is the negative "
            "tag: it says that no other applies. Delete it, or change its type to Regular first.",
        )
    return ended, remaining


def _move_some(session: Session, project: ProjectRow, old: int, new: int) -> int:
    """Move the labels of the next images; how many images these are."""
    tagged = select(ImageTagRow.image_key, ImageTagRow.created).where(
        ImageTagRow.tag_key == old, ImageTagRow.removed.is_(None)
    )
    rows = session.execute(tagged.order_by(ImageTagRow.image_key).limit(MOVED_AT_ONCE)).all()
    images = [row.image_key for row in rows]
    if not images:
        return 0
    project.revision += 1
    _move_regions(session, project, images, old, new)
    has_it = select(ImageTagRow.image_key).where(
        ImageTagRow.image_key.in_(images), ImageTagRow.tag_key == new, ImageTagRow.removed.is_(None)
    )
    present = set(session.scalars(has_it))
    common = {"tag_key": new, "added": project.epoch, "removed": None}
    missing = [
        {"image_key": row.image_key, "created": row.created, **common}
        for row in rows
        if row.image_key not in present
    ]
    if missing:
        session.execute(insert(ImageTagRow), missing)
    chosen = and_(ImageTagRow.tag_key == old, ImageTagRow.image_key.in_(images))
    remove(session, ImageTagRow, chosen, project.epoch)
    return len(images)


def _move_regions(session: Session, project: ProjectRow, images: Sequence[int], old: int, new: int) -> None:
    # As a sum it tempts no database to look at all regions of a tag.
    def of(tag: int) -> tuple[RegionRow, ...]:
        live = RegionRow.image_key.in_(images), RegionRow.removed.is_(None), RegionRow.tag_key + 0 == tag
        return tuple(session.scalars(select(RegionRow).where(*live).order_by(RegionRow.key)))

    present = {(row.image_key, _box(row)) for row in of(new)}
    moved = [
        {
            "id": new_id(),
            "image_key": row.image_key,
            "tag_key": new,
            **dict(zip(("left", "top", "width", "height"), _box(row), strict=True)),
            # When it was drawn: whether an image is background for other tags depends on that.
            "created": row.created,
            "added": project.epoch,
            "removed": None,
        }
        for row in of(old)
        if (row.image_key, _box(row)) not in present
    ]
    if moved:
        session.execute(insert(RegionRow), moved)
    chosen = and_(RegionRow.image_key.in_(images), RegionRow.tag_key + 0 == old)
    remove(session, RegionRow, chosen, project.epoch)


def _box(row: RegionRow) -> Box:
    return row.left, row.top, row.width, row.height
