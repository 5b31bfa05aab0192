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
from dahlia.server.images.labels import (
    Box,
    Labels,
    Rules,
    check_takes_regions,
    insert_regions,
    insert_tags,
    labels_of,
    refresh_tagged,
)
from dahlia.server.images.tagging import is_within, known_tags, live_images

if TYPE_CHECKING:
    from dahlia.settings.sections import LimitsSection


@dataclass(frozen=True, slots=True)
class NewRegion:
    """A region that an image is to have: ids of image and tag, and the box."""

    image: str
    tag: str
    box: Box


@dataclass(slots=True)
class _Drawn:
    """What becomes of regions; `brought` are the keys of images and of tags that come with regions."""

    created: list[NewRegion] = field(default_factory=list)
    duplicated: list[NewRegion] = field(default_factory=list)
    exceeded: list[NewRegion] = field(default_factory=list)
    brought: list[tuple[int, int]] = field(default_factory=list)

    def decide(
        self, region: NewRegion, image: int, tag: int, labels: dict[int, Labels], rules: Rules
    ) -> None:
        if (tag, region.box) in labels[image].regions:
            self.duplicated.append(region)
            return
        more = labels[image].with_more([], [(tag, region.box)])
        if not is_within(rules.broken_by(more), region.image):
            self.exceeded.append(region)
            return
        if tag not in labels[image].tags:
            self.brought.append((image, tag))
        labels[image] = more
        self.created.append(region)


def draw_regions(
    session: Session, project: ProjectRow, regions: Sequence[NewRegion], limits: LimitsSection, now: datetime
) -> ImageRegionCreateSummary:
    """Give images regions, and the tags of these; the project's revision rises if that changes anything.

    Args:
        session: that locked the project with `locked`.
        project: of images and tags.
        regions: what to draw.
        limits: of the settings.
        now: the time.

    Raises:
        ServiceError: the project is a classifier, an image or a tag is unknown, or an image would have the
            negative tag and another.
    """
    check_takes_regions(project)
    images = live_images(session, project, (region.image for region in regions))
    tags = known_tags(session, project, (region.tag for region in regions))
    labels, rules = labels_of(session, list(images.values())), Rules.of(session, project, limits)
    drawn = _Drawn()
    for region in regions:
        drawn.decide(region, images[region.image], tags[region.tag], labels, rules)
    rows = [(images[region.image], tags[region.tag], region.box) for region in drawn.created]
    identities = insert_regions(session, project, rows, now)
    insert_tags(session, project, drawn.brought, now)
    project.revision += bool(identities)
    names = _names(session, list(tags.values()))
    return ImageRegionCreateSummary(
        created=tuple(
            ImageRegionCreateResult(
                region_id=identity, tag_name=names[region.tag], created=now, **_entry(region).model_dump()
            )
            for identity, region in zip(identities, drawn.created, strict=True)
        ),
        duplicated=tuple(_entry(region) for region in drawn.duplicated),
        exceeded=tuple(_entry(region) for region in drawn.exceeded),
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


def _entry(region: NewRegion) -> ImageRegionCreateEntry:
    left, top, width, height = region.box
    return ImageRegionCreateEntry(
        image_id=region.image, tag_id=region.tag, left=left, top=top, width=width, height=height
    )
