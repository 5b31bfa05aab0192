"""The tags and regions of images, in memory and in the database, and which of them an image may carry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import Select, exists, insert, select, update
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.kinds import Kind
from dahlia.server.contract.bodies import RegionBody
from dahlia.server.contract.enums import ImageCreateStatus, TagType
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id

if TYPE_CHECKING:
    from dahlia.settings.sections import LimitsSection

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, width and height, as fractions of the image's."""

# Clients compute in float32, and a box that ends at the image's edge may end a little behind it.
_TOLERANCE = 1e-5
_LEAST = 1e-5  # of the image's edge: a tenth of a pixel of the largest

_BULK = {"synchronize_session": False}
_HAS_REGIONS: dict[Kind, bool] = {"multiclass": False, "multilabel": False, "detection": True}


@dataclass(slots=True)
class Labels:
    """What an image carries: keys of tags, and regions as the keys of their tags with their boxes."""

    tags: set[int] = field(default_factory=set)
    regions: set[tuple[int, Box]] = field(default_factory=set)

    def with_more(self, tags: Iterable[int], regions: Iterable[tuple[int, Box]]) -> Labels:
        """These and others; a region brings its tag along."""
        regions = list(regions)
        return Labels(self.tags.union(tags, (tag for tag, _ in regions)), self.regions.union(regions))


def box_of(region: RegionBody, place: str = "") -> Box:
    """A region's box.

    Args:
        region: as the client sent it.
        place: of it in the request's body, such as `regions[3]`; empty where it is from elsewhere.

    Raises:
        ServiceError: it is empty, or reaches beyond the image.
    """
    left, top, width, height = region.left, region.top, region.width, region.height
    inside = min(left, top) >= -_TOLERANCE and max(left + width, top + height) <= 1 + _TOLERANCE
    if not inside or min(width, height) < _LEAST or max(left, top) > 1 - _LEAST:
        raise ServiceError(
            "BadRequestImageRegions",
            "Expected a region with left, top, width and height as fractions of the image's width and "
            f"height, within it and not empty; received{f' in {place}' if place else ''} left={left:g}, "
            f"top={top:g}, width={width:g}, height={height:g}. Divide pixels by the image's size.",
        )
    left, top = max(left, 0.0), max(top, 0.0)
    return left, top, min(width, 1 - left), min(height, 1 - top)


def live_tags(session: Session, project: ProjectRow, identities: Iterable[str]) -> dict[str, int]:
    """Keys of a project's tags by their ids; unknown ids are skipped."""
    found = session.execute(
        select(TagRow.id, TagRow.key).where(
            TagRow.project_key == project.key, TagRow.removed.is_(None), TagRow.id.in_(list(identities))
        )
    )
    return {row.id: row.key for row in found}


def labels_of(session: Session, images: Collection[int]) -> defaultdict[int, Labels]:
    """The labels in the workspace, by the images' keys."""
    labels: defaultdict[int, Labels] = defaultdict(Labels)
    if not images:
        return labels
    tags = select(ImageTagRow.image_key, ImageTagRow.tag_key)
    for image, tag in session.execute(
        tags.where(ImageTagRow.image_key.in_(images), ImageTagRow.removed.is_(None))
    ):
        labels[image].tags.add(tag)
    live = (RegionRow.image_key.in_(images), RegionRow.removed.is_(None))
    for row in session.scalars(select(RegionRow).where(*live)):
        labels[row.image_key].regions.add((row.tag_key, (row.left, row.top, row.width, row.height)))
    return labels


def insert_tags(
    session: Session, project: ProjectRow, pairs: Collection[tuple[int, int]], now: datetime
) -> None:
    """Tag images.

    Args:
        session: that locked the project.
        project: gives the epoch.
        pairs: keys of images and of tags that they do not have.
        now: the time.
    """
    if not pairs:
        return
    common = {"created": now, "added": project.epoch, "removed": None}
    session.execute(
        insert(ImageTagRow), [{"image_key": image, "tag_key": tag, **common} for image, tag in pairs]
    )
    untagged = ImageRow.key.in_({image for image, _ in pairs}), ImageRow.tagged.is_(False)
    session.execute(update(ImageRow).where(*untagged).values(tagged=True), execution_options=_BULK)


def insert_regions(
    session: Session, project: ProjectRow, regions: Collection[tuple[int, int, Box]], now: datetime
) -> list[str]:
    """Give images regions; their tags are not looked at.

    Args:
        session: that locked the project.
        project: gives the epoch.
        regions: keys of images, keys of tags, and boxes.
        now: the time.

    Returns:
        The regions' ids, in their order.
    """
    rows = [
        {
            "id": new_id(),
            "image_key": image,
            "tag_key": tag,
            **dict(zip(("left", "top", "width", "height"), box, strict=True)),
            "created": now,
            "added": project.epoch,
            "removed": None,
        }
        for image, tag, box in regions
    ]
    if rows:
        session.execute(insert(RegionRow), rows)
    return [str(row["id"]) for row in rows]


def refresh_tagged(session: Session, images: Collection[int] | Select[int]) -> None:
    """Set `images.tagged` right after tags were taken away or given.

    Args:
        session: that locked the project.
        images: keys of the images whose tags have changed, or what selects them.
    """
    has_tag = exists().where(ImageTagRow.image_key == ImageRow.key, ImageTagRow.removed.is_(None))
    wrong = ImageRow.key.in_(images), ImageRow.tagged != has_tag
    session.execute(update(ImageRow).where(*wrong).values(tagged=has_tag), execution_options=_BULK)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every image of a project.

    Attributes:
        max_tags: on an image; None in detection, where regions count.
        max_regions: on an image.
        detects: whether images have regions.
        negative: the key of the tag that says that no other applies; None where there is none.
    """

    max_tags: int | None
    max_regions: int
    detects: bool
    negative: int | None

    @classmethod
    def of(cls, session: Session, project: ProjectRow, limits: LimitsSection) -> Rules:
        """The rules of a project."""
        negative = session.scalar(
            select(TagRow.key).where(
                TagRow.project_key == project.key, TagRow.removed.is_(None), TagRow.type == TagType.NEGATIVE
            )
        )
        detects = takes_regions(project.kind)
        # Multiclass too: the original takes several tags there, and samples of its makers send them.
        max_tags = None if detects else limits.tags_per_image
        return cls(max_tags, limits.regions_per_image, detects, negative)

    def broken_by(self, labels: Labels) -> ImageCreateStatus | None:
        """What is wrong with an image that carries these labels; None if it may."""
        if self.negative in labels.tags and len(labels.tags) > 1:
            return ImageCreateStatus.ERROR_NEGATIVE
        if self.max_tags is not None and len(labels.tags) > self.max_tags:
            return ImageCreateStatus.ERROR_TAG_LIMIT
        if len(labels.regions) > self.max_regions:
            return ImageCreateStatus.ERROR_REGION_LIMIT
        return None

    def reason(self, problem: ImageCreateStatus, labels: Labels) -> str:
        """What `broken_by` found, in words: expected, received, what to do."""
        if problem is ImageCreateStatus.ERROR_NEGATIVE:
            return (
                "Expected the negative tag on images without other tags, received an image that would have "
                "both. Leave one of them out."
            )
        if problem is ImageCreateStatus.ERROR_TAG_LIMIT:
            return (
                f"Expected at most {self.max_tags} tags on an image, received one that would have "
                f"{len(labels.tags)}. Leave some out, or raise limits.tags_per_image in the server's "
                "settings."
            )
        return (
            f"Expected at most {self.max_regions} regions on an image, received one that would have "
            f"{len(labels.regions)}. Leave some out, or raise limits.regions_per_image in the server's "
            "settings."
        )


def refuse_negative_regions(
    session: Session, project: ProjectRow, regions: Iterable[tuple[str, str]]
) -> None:
    """Let regions pass that a detector can learn; to it, all that lies outside of regions is negative.

    Args:
        session: to read.
        project: of the tags.
        regions: for each its place in the request's body, such as `regions[3]`, and the id of its tag.

    Raises:
        ServiceError: one has the negative tag, with which no training would begin.
    """
    regions = list(regions)
    negative = select(TagRow.id, TagRow.name).where(
        TagRow.project_key == project.key, TagRow.removed.is_(None), TagRow.type == TagType.NEGATIVE
    )
    found = session.execute(negative).first() if regions else None
    place = next((place for place, tag in regions if found is not None and tag == found.id), None)
    if found is not None and place is not None:
        raise ServiceError(
            "BadRequestImageRegions",
            f"Expected regions of objects, received {place} with the tag {found.id}, {found.name!r}, which "
            "is the negative tag: to a detector all that lies outside of regions is negative, and none is "
            "trained with this tag. Leave such regions out, or change the tag's type to Regular. Nothing was "
            "changed.",
        )


def takes_regions(kind: Kind) -> bool:
    """Whether images of a project of this kind have regions."""
    return _HAS_REGIONS[kind]


def check_takes_regions(project: ProjectRow) -> None:
    """Let regions pass in projects that find objects.

    Raises:
        ServiceError: the project is a classifier.
    """
    if not takes_regions(project.kind):
        raise ServiceError(
            "BadRequestUnsupportedDomain",
            "Expected images without regions, since the project is a classifier; received regions. Tag the "
            "images as a whole, or make a project of the domain General of type ObjectDetection.",
        )
