"""Tags and regions of images that are there: giving and taking tags, drawing and deleting regions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.contract.enums import ImageCreateStatus, not_found
from dahlia.server.contract.models import (
    ImageRegionCreateEntry,
    ImageRegionCreateResult,
    ImageRegionCreateSummary,
)
from dahlia.server.database.changes import among_named, remove
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.images.labels import (
    Box,
    Labels,
    Rules,
    check_takes_regions,
    insert_regions,
    insert_tags,
    labels_of,
    live_tags,
    refresh_tagged,
    refuse_negative_regions,
)

if TYPE_CHECKING:
    from dahlia.settings.sections import LimitsSection

Pair: TypeAlias = tuple[str, str]
"""Ids of an image and of a tag."""


@dataclass(slots=True)
class Tagged:
    """What became of pairs of images and tags, each in the order of the request.

    Attributes:
        created: the image has the tag now.
        duplicated: it had it before.
        exceeded: it has as many tags as it may.
    """

    created: list[Pair] = field(default_factory=list)
    duplicated: list[Pair] = field(default_factory=list)
    exceeded: list[Pair] = field(default_factory=list)


def tag_images(
    session: Session, project: ProjectRow, pairs: Sequence[Pair], limits: LimitsSection, now: datetime
) -> Tagged:
    """Give images tags; the project's revision rises if that changes anything.

    Args:
        session: that locked the project with `locked`.
        project: of images and tags.
        pairs: what to tag with what, as the request lists them; what is there twice counts once.
        limits: of the settings.
        now: the time.

    Raises:
        ServiceError: an image or a tag is unknown, or an image would have the negative tag and another.
    """
    images = _live_images_of(session, project, [image for image, _ in pairs], "tags[{}].imageId")
    tags = _known_tags(session, project, [tag for _, tag in pairs], "tags[{}].tagId")
    labels, rules = labels_of(session, list(images.values())), Rules.of(session, project, limits)
    done = Tagged()
    for image, tag in dict.fromkeys(pairs):
        key = images[image]
        if tags[tag] in labels[key].tags:
            done.duplicated.append((image, tag))
            continue
        changed = labels[key].with_more([tags[tag]], [])
        if not is_within(rules.broken_by(changed), image):
            done.exceeded.append((image, tag))
            continue
        labels[key] = changed
        done.created.append((image, tag))
    insert_tags(session, project, [(images[image], tags[tag]) for image, tag in done.created], now)
    project.revision += bool(done.created)
    return done


def untag_images(session: Session, project: ProjectRow, images: Sequence[str], tags: Sequence[str]) -> None:
    """Take tags off images, with the regions that have them; what is unknown is passed over.

    Args:
        session: that locked the project with `locked`.
        project: of images and tags.
        images: their ids.
        tags: their ids.
    """
    keys = list(_live_images(session, project, images).values())
    tag_keys = list(live_tags(session, project, tags).values())
    gone = 0
    for table in (ImageTagRow, RegionRow):
        # As a sum it tempts no database to look at all regions of a tag.
        chosen = and_(table.image_key.in_(keys), (table.tag_key + 0).in_(tag_keys))
        gone += remove(session, table, chosen, project.epoch)
    refresh_tagged(session, keys)
    project.revision += bool(gone)


def is_within(problem: ImageCreateStatus | None, image: str) -> bool:
    """Whether an image may carry its labels; False where there are too many.

    Args:
        problem: what `Rules.broken_by` says of them.
        image: its id.

    Raises:
        ServiceError: the negative tag would be there with another, for which answers have no place.
    """
    if problem is ImageCreateStatus.ERROR_NEGATIVE:
        raise ServiceError(
            "BadRequestNegativeAndRegularTagOnSameImage",
            f"Expected the negative tag on images without other tags; the image {image} would have both. "
            "Remove its other tags first, or omit it. Nothing was changed.",
        )
    return problem is None


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
        ServiceError: the project is a classifier, an image or a tag is unknown, a region has the negative
            tag, or an image would have that and another.
    """
    check_takes_regions(project)
    images = _live_images_of(session, project, [one.image for one in regions], "regions[{}].imageId")
    tags = _known_tags(session, project, [one.tag for one in regions], "regions[{}].tagId")
    refuse_negative_regions(
        session, project, ((f"regions[{place}]", one.tag) for place, one in enumerate(regions))
    )
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
        .where(among_named(project.key), RegionRow.removed.is_(None), RegionRow.id.in_(identities))
    ).all()
    if not found:
        return
    remove(session, RegionRow, RegionRow.key.in_([row.key for row in found]), project.epoch)
    pairs = {(row.image_key, row.tag_key) for row in found}
    images = {image for image, _ in pairs}
    lost = pairs - _drawn_pairs(session, images)
    tags = session.execute(
        select(ImageTagRow.key, ImageTagRow.image_key, ImageTagRow.tag_key).where(
            ImageTagRow.image_key.in_(images), ImageTagRow.removed.is_(None)
        )
    )
    keys = [row.key for row in tags if (row.image_key, row.tag_key) in lost]
    remove(session, ImageTagRow, ImageTagRow.key.in_(keys), project.epoch)
    refresh_tagged(session, images)
    project.revision += 1


def _drawn_pairs(session: Session, images: Collection[int]) -> set[tuple[int, int]]:
    """Keys of images and of the tags of their regions."""
    live = RegionRow.image_key.in_(images), RegionRow.removed.is_(None)
    found = session.execute(select(RegionRow.image_key, RegionRow.tag_key).where(*live))
    return {(image, tag) for image, tag in found}


def _live_images(session: Session, project: ProjectRow, identities: Iterable[str]) -> dict[str, int]:
    live = among_named(project.key), ImageRow.removed.is_(None)
    found = session.execute(select(ImageRow.id, ImageRow.key).where(*live, ImageRow.id.in_(list(identities))))
    return {row.id: row.key for row in found}


def _live_images_of(
    session: Session, project: ProjectRow, identities: Sequence[str], place: str
) -> dict[str, int]:
    return _complete(_live_images(session, project, dict.fromkeys(identities)), identities, "Image", place)


def _known_tags(
    session: Session, project: ProjectRow, identities: Sequence[str], place: str
) -> dict[str, int]:
    return _complete(live_tags(session, project, dict.fromkeys(identities)), identities, "Tag", place)


def _complete(found: dict[str, int], wanted: Iterable[str], what: str, place: str) -> dict[str, int]:
    for number, identity in enumerate(wanted):
        if identity not in found:
            raise not_found(what, identity, place.format(number))
    return found


def _names(session: Session, tags: Sequence[int]) -> dict[str, str]:
    found = session.execute(select(TagRow.id, TagRow.name).where(TagRow.key.in_(tags)))
    return {row.id: row.name for row in found}


def _entry(region: NewRegion) -> ImageRegionCreateEntry:
    left, top, width, height = region.box
    return ImageRegionCreateEntry(
        image_id=region.image, tag_id=region.tag, left=left, top=top, width=width, height=height
    )
