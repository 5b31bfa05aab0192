"""Images as the API shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.server.contract.enums import ImageCreateStatus
from dahlia.server.contract.models import (
    Image,
    ImageCreateResult,
    ImageCreateSummary,
    ImageRegion,
    ImageTag,
)
from dahlia.server.database.changes import visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, RegionRow, TagRow
from dahlia.server.http.addresses import Addresses
from dahlia.server.images.adding import Outcome

_Shown = TypeVar("_Shown")


def image_answers(
    session: Session, rows: Sequence[ImageRow], addresses: Addresses, epoch: int | None = None
) -> list[Image]:
    """Images with their tags and regions, which take one query each.

    Args:
        session: has the rows.
        rows: the images.
        addresses: of their files.
        epoch: of the iteration that is looked at; None for the workspace.
    """
    keys = [row.key for row in rows]
    tags, regions = tag_answers(session, keys, epoch), region_answers(session, keys, epoch)
    return [_image(row, addresses, tags.get(row.key), regions.get(row.key)) for row in rows]


def tag_answers(
    session: Session, images: Collection[int], epoch: int | None = None
) -> dict[int, tuple[ImageTag, ...]]:
    """The tags of images, by the images' keys; images without tags are left out."""
    if not images:
        return {}
    found = session.execute(
        select(ImageTagRow.image_key, TagRow.id, TagRow.name, ImageTagRow.created)
        .join(TagRow, TagRow.key == ImageTagRow.tag_key)
        .where(ImageTagRow.image_key.in_(images), visible(ImageTagRow, epoch))
        .order_by(ImageTagRow.key)
    )
    return _grouped(
        (key, ImageTag(tag_id=identity, tag_name=name, created=created))
        for key, identity, name, created in found
    )


def region_answers(
    session: Session, images: Collection[int], epoch: int | None = None
) -> dict[int, tuple[ImageRegion, ...]]:
    """The regions of images, by the images' keys; images without regions are left out."""
    if not images:
        return {}
    found = session.execute(
        select(RegionRow, TagRow.id, TagRow.name)
        .join(TagRow, TagRow.key == RegionRow.tag_key)
        .where(RegionRow.image_key.in_(images), visible(RegionRow, epoch))
        .order_by(RegionRow.key)
    )
    return _grouped((row.image_key, _region(row, identity, name)) for row, identity, name in found)


def summary(
    outcomes: Sequence[Outcome], images: Sequence[ImageRow], answers: Sequence[Image]
) -> ImageCreateSummary:
    """What became of a batch.

    As in the original, a batch with an image that was there already is no success: nothing was created.

    Args:
        outcomes: in the order of the request.
        images: those that outcomes name, in any order.
        answers: of these images, in their order.
    """
    shown = {row.key: answer for row, answer in zip(images, answers, strict=True)}
    return ImageCreateSummary(
        is_batch_successful=all(one.status is ImageCreateStatus.OK for one in outcomes),
        images=tuple(
            ImageCreateResult(
                source_url=one.source,
                status=one.status,
                image=None if one.image is None else shown[one.image],
            )
            for one in outcomes
        ),
    )


def _image(
    row: ImageRow,
    addresses: Addresses,
    tags: tuple[ImageTag, ...] | None,
    regions: tuple[ImageRegion, ...] | None,
) -> Image:
    some: dict[str, Any] = {"tags": tags, "regions": regions, "metadata": row.details or None}
    return Image(
        id=row.id,
        created=row.created,
        width=row.width,
        height=row.height,
        resized_image_uri=addresses.resized(row.sha256, row.suffix, row.width, row.height),
        thumbnail_uri=addresses.thumbnail(row.sha256),
        original_image_uri=addresses.original(row.sha256, row.suffix),
        **{name: value for name, value in some.items() if value is not None},
    )


def _region(row: RegionRow, tag_id: str, tag_name: str) -> ImageRegion:
    return ImageRegion(
        region_id=row.id,
        tag_name=tag_name,
        created=row.created,
        tag_id=tag_id,
        left=row.left,
        top=row.top,
        width=row.width,
        height=row.height,
    )


def _grouped(pairs: Iterable[tuple[int, _Shown]]) -> dict[int, tuple[_Shown, ...]]:
    groups: defaultdict[int, list[_Shown]] = defaultdict(list)
    for key, shown in pairs:
        groups[key].append(shown)
    return {key: tuple(group) for key, group in groups.items()}
