"""Regions of images that are there: drawing and deleting them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from dahlia.server.contract.models import (
    ImageRegionCreateEntry,
    ImageRegionCreateResult,
    ImageRegionCreateSummary,
)
from dahlia.server.database.changes import remove
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.images.labels import Box, Labels, insert_regions, insert_tags, labels_of, refresh_tagged
from dahlia.server.images.rules import Rules, check_takes_regions
from dahlia.server.images.tagging import is_within, known_tags, live_images

if TYPE_CHECKING:
    from dahlia.server.sections import LimitsSection


@dataclass(frozen=True, slots=True)
class Wish:
    """A region that an image is to have: ids of image and tag, and the box."""

    image: str
    tag: str
    box: Box


@dataclass(slots=True)
class _Fate:
    """What becomes of wishes; `brought` are the keys of images and of tags that come with regions."""

    created: list[Wish] = field(default_factory=list)
    duplicated: list[Wish] = field(default_factory=list)
    exceeded: list[Wish] = field(default_factory=list)
    brought: list[tuple[int, int]] = field(default_factory=list)

    def decide(self, wish: Wish, image: int, tag: int, labels: dict[int, Labels], rules: Rules) -> None:
        if (tag, wish.box) in labels[image].regions:
            self.duplicated.append(wish)
            return
        more = labels[image].with_more([], [(tag, wish.box)])
        if not is_within(rules.broken_by(more), wish.image):
            self.exceeded.append(wish)
            return
        if tag not in labels[image].tags:
            self.brought.append((image, tag))
        labels[image] = more
        self.created.append(wish)


def draw_regions(
    session: Session, project: ProjectRow, wishes: Sequence[Wish], limits: LimitsSection, now: datetime
) -> ImageRegionCreateSummary:
    """Give images regions, and the tags of these; the project's revision rises if that changes anything.

    Args:
        session: that locked the project with `locked`.
        project: of images and tags.
        wishes: what to draw.
        limits: of the settings.
        now: the time.

    Raises:
        ServiceError: the project is a classifier, an image or a tag is unknown, or an image would have the
            negative tag and another.
    """
    check_takes_regions(project)
    images = live_images(session, project, (wish.image for wish in wishes))
    tags = known_tags(session, project, (wish.tag for wish in wishes))
    labels, rules = labels_of(session, list(images.values())), Rules.of(session, project, limits)
    fate = _Fate()
    for wish in wishes:
        fate.decide(wish, images[wish.image], tags[wish.tag], labels, rules)
    rows = [(images[wish.image], tags[wish.tag], wish.box) for wish in fate.created]
    identities = insert_regions(session, project, rows, now)
    insert_tags(session, project, fate.brought, now)
    project.revision += bool(identities)
    names = _names(session, list(tags.values()))
    return ImageRegionCreateSummary(
        created=tuple(
            ImageRegionCreateResult(
                region_id=identity, tag_name=names[wish.tag], created=now, **_entry(wish).model_dump()
            )
            for identity, wish in zip(identities, fate.created, strict=True)
        ),
        duplicated=tuple(_entry(wish) for wish in fate.duplicated),
        exceeded=tuple(_entry(wish) for wish in fate.exceeded),
    )


def delete_regions(session: Session, project: ProjectRow, identities: Sequence[str]) -> None:
    """Delete regions; an image loses a tag with the last region that has it. Unknown ids are passed over.

    Args:
        session: that locked the project with `locked`.
        project: of the regions' images.
        identities: ids of the regions.
    """
    found = session.execute(
        select(RegionRow.key, RegionRow.image_key, RegionRow.tag_key)
        .join(ImageRow, ImageRow.key == RegionRow.image_key)
        .where(ImageRow.project_key == project.key, RegionRow.removed.is_(None), RegionRow.id.in_(identities))
    ).all()
    if not found:
        return
    remove(session, RegionRow, RegionRow.key.in_([row.key for row in found]), project.epoch)
    another = exists().where(
        RegionRow.image_key == ImageTagRow.image_key,
        RegionRow.tag_key == ImageTagRow.tag_key,
        RegionRow.removed.is_(None),
    )
    pairs = {(row.image_key, row.tag_key) for row in found}
    theirs = or_(*(and_(ImageTagRow.image_key == image, ImageTagRow.tag_key == tag) for image, tag in pairs))
    remove(session, ImageTagRow, and_(theirs, ~another), project.epoch)
    refresh_tagged(session, {image for image, _ in pairs})
    project.revision += 1


def _names(session: Session, tags: Sequence[int]) -> dict[str, str]:
    found = session.execute(select(TagRow.id, TagRow.name).where(TagRow.key.in_(tags)))
    return {row.id: row.name for row in found}


def _entry(wish: Wish) -> ImageRegionCreateEntry:
    left, top, width, height = wish.box
    return ImageRegionCreateEntry(
        image_id=wish.image, tag_id=wish.tag, left=left, top=top, width=width, height=height
    )
