"""Finding images: a page, a count, or by their ids; and what the API shows of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, distinct, exists, func, not_, select
from sqlalchemy.orm import Session

from dahlia.server.contract.enums import ImageCreateStatus, TaggingStatus, not_found
from dahlia.server.contract.models import Image, ImageCreateResult, ImageCreateSummary, ImageRegion, ImageTag
from dahlia.server.database.changes import among_named, epoch_of, project_of, visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.http.addresses import Addresses
from dahlia.server.images.adding import Outcome
from dahlia.server.images.metadata import Filter, condition

_BATCH = 500  # images that are looked for at once
_Shown = TypeVar("_Shown")


@dataclass(frozen=True, slots=True)
class View:
    """Where to look: a project's workspace, or what one of its iterations saw (`epoch`)."""

    project: ProjectRow
    epoch: int | None

    @classmethod
    def of(cls, session: Session, project_id: str, iteration_id: str | None) -> View:
        """The view of an iteration; of the workspace where none is given.

        Raises:
            ServiceError: there is no such project or iteration.
        """
        project = project_of(session, project_id)
        return cls(project, epoch_of(session, project, iteration_id))

    @property
    def images(self) -> list[ColumnElement[bool]]:
        """What makes an image part of it."""
        return [ImageRow.project_key == self.project.key, visible(ImageRow, self.epoch)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which images.

    Attributes:
        status: with tags, without, or both.
        tag_ids: any of these; all images where there are none. Ids of no tag match nothing.
        metadata: what their metadata says; None for anything.
    """

    status: TaggingStatus = TaggingStatus.ALL
    tag_ids: Sequence[str] = ()
    metadata: Filter | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Which of them: `take` after the first `skip`, in the order in which they were added or against it."""

    take: int
    skip: int = 0
    newest: bool = True


def find_images(session: Session, view: View, wanted: Wanted, page: Page) -> list[ImageRow]:
    """A page of images."""
    order = ImageRow.key.desc() if page.newest else ImageRow.key.asc()
    # Keys alone are in indices, so what is skipped is not read.
    keys = select(ImageRow.key).where(*_conditions(session, view, wanted)).order_by(order)
    chosen = keys.limit(page.take).offset(page.skip).subquery()
    found = select(ImageRow).join(chosen, ImageRow.key == chosen.c.key).order_by(order)
    return list(session.scalars(found))


def count_images(session: Session, view: View, wanted: Wanted) -> int:
    """How many images."""
    if wanted.tag_ids and wanted.metadata is None and wanted.status is not TaggingStatus.UNTAGGED:
        # A tag that a view shows is on an image that it shows: who removes an image removes its tags.
        counted = select(func.count(distinct(ImageTagRow.image_key))).where(
            ImageTagRow.tag_key.in_(_tag_keys(session, view, wanted)), visible(ImageTagRow, view.epoch)
        )
    else:
        counted = select(func.count()).select_from(ImageRow).where(*_conditions(session, view, wanted))
    return session.scalar(counted) or 0


def images_by_id(session: Session, view: View, identities: Sequence[str]) -> list[ImageRow]:
    """Images by their ids, in the order of the ids; unknown ids are skipped."""
    seen = among_named(view.project.key), visible(ImageRow, view.epoch)
    rows = session.scalars(select(ImageRow).where(*seen, ImageRow.id.in_(identities)))
    found = {row.id: row for row in rows}
    return [found[identity] for identity in identities if identity in found]


def images_by_content(session: Session, view: View, contents: Iterable[str]) -> dict[str, ImageRow]:
    """Images by the SHA-256 of their files; those that the view does not show are left out."""
    wanted = sorted(set(contents))
    found: dict[str, ImageRow] = {}
    for start in range(0, len(wanted), _BATCH):
        some = ImageRow.sha256.in_(wanted[start : start + _BATCH])
        found |= {row.sha256: row for row in session.scalars(select(ImageRow).where(*view.images, some))}
    return found


def image_of(session: Session, view: View, identity: str) -> ImageRow:
    """An image by its id.

    Raises:
        ServiceError: there is none.
    """
    found = images_by_id(session, view, [identity])
    if not found:
        raise not_found("Image", identity)
    return found[0]


def image_answers(
    session: Session, rows: Sequence[ImageRow], addresses: Addresses, epoch: int | None = None
) -> list[Image]:
    """Images with their tags and regions, which take two queries each.

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
        select(ImageTagRow.image_key, ImageTagRow.tag_key, ImageTagRow.created)
        .where(ImageTagRow.image_key.in_(images), visible(ImageTagRow, epoch))
        .order_by(ImageTagRow.key)
    ).all()
    tags = _tags(session, {row.tag_key for row in found})
    return _grouped(
        (key, ImageTag(tag_id=tags[tag].id, tag_name=tags[tag].name, created=created))
        for key, tag, created in found
    )


def region_answers(
    session: Session, images: Collection[int], epoch: int | None = None
) -> dict[int, tuple[ImageRegion, ...]]:
    """The regions of images, by the images' keys; images without regions are left out."""
    if not images:
        return {}
    box = RegionRow.left, RegionRow.top, RegionRow.width, RegionRow.height
    # Columns, not rows: a page may have 256 images with 300 regions each.
    found = session.execute(
        select(RegionRow.image_key, RegionRow.tag_key, RegionRow.id, RegionRow.created, *box)
        .where(RegionRow.image_key.in_(images), visible(RegionRow, epoch))
        .order_by(RegionRow.key)
    ).all()
    tags = _tags(session, {row.tag_key for row in found})
    return _grouped(
        (
            key,
            ImageRegion(
                region_id=identity,
                tag_name=tags[tag].name,
                created=created,
                tag_id=tags[tag].id,
                left=left,
                top=top,
                width=width,
                height=height,
            ),
        )
        for key, tag, identity, created, left, top, width, height in found
    )


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


def _conditions(session: Session, view: View, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = [*view.images, *_tagging(view, wanted.status)]
    if wanted.tag_ids:
        tags = ImageTagRow.tag_key.in_(_tag_keys(session, view, wanted))
        conditions.append(
            ImageRow.key.in_(select(ImageTagRow.image_key).where(tags, visible(ImageTagRow, view.epoch)))
        )
    if wanted.metadata is not None:
        conditions.append(condition(session, wanted.metadata))
    return conditions


def _tagging(view: View, status: TaggingStatus) -> list[ColumnElement[bool]]:
    if status is TaggingStatus.ALL:
        return []
    tagged: ColumnElement[bool] = ImageRow.tagged.is_(True)
    if view.epoch is not None:  # the column tells of the workspace alone
        tagged = exists().where(ImageTagRow.image_key == ImageRow.key, visible(ImageTagRow, view.epoch))
    elif status is TaggingStatus.UNTAGGED:
        return [ImageRow.tagged.is_(False)]
    return [tagged if status is TaggingStatus.TAGGED else not_(tagged)]


def _tag_keys(session: Session, view: View, wanted: Wanted) -> list[int]:
    of_project = TagRow.project_key == view.project.key, TagRow.id.in_(wanted.tag_ids)
    return list(session.scalars(select(TagRow.key).where(*of_project)))


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


class _Tag(NamedTuple):
    id: str
    name: str


def _tags(session: Session, keys: Collection[int]) -> dict[int, _Tag]:
    """Tags by their keys; each is read once, and not with each of its regions."""
    found = session.execute(select(TagRow.key, TagRow.id, TagRow.name).where(TagRow.key.in_(keys)))
    return {key: _Tag(identity, name) for key, identity, name in found}


def _grouped(pairs: Iterable[tuple[int, _Shown]]) -> dict[int, tuple[_Shown, ...]]:
    groups: defaultdict[int, list[_Shown]] = defaultdict(list)
    for key, shown in pairs:
        groups[key].append(shown)
    return {key: tuple(group) for key, group in groups.items()}
