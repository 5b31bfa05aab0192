"""Adding images whose files are stored: new ones, and labels for those that are there already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from dahlia.server.contract.enums import ImageCreateStatus
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.images.labels import (
    Box,
    Labels,
    Rules,
    check_takes_regions,
    insert_regions,
    insert_tags,
    labels_of,
    live_tags,
    refuse_negative_regions,
)
from dahlia.server.images.metadata import group_of

if TYPE_CHECKING:
    from dahlia.settings.sections import LimitsSection


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image whose files are in the storage.

    Attributes:
        sha256: of its bytes, in hexadecimal.
        suffix: of its file, such as `.jpg`.
        width: pixels as displayed.
        height: pixels as displayed.
        size: bytes.
    """

    sha256: str
    suffix: str
    width: int
    height: int
    size: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """An image that is not taken.

    Attributes:
        status: a value that says why.
        reason: expected, received, what to do; no client of the original knows where to look for it.
    """

    status: ImageCreateStatus
    reason: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One image of a batch.

    Attributes:
        source: what its client calls it.
        file: the image; or why there is none.
        tag_ids: of the tags that it is to have, those of the whole batch included.
        regions: ids of tags, and boxes.
    """

    source: str | None
    file: StoredImage | Rejected
    tag_ids: tuple[str, ...] = ()
    regions: tuple[tuple[str, Box], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an arrival.

    Attributes:
        source: what its client calls it.
        status: of it.
        image: the image's key; None where it was refused.
        reason: why it was refused: expected, received, what to do; empty where it was not.
    """

    source: str | None
    status: ImageCreateStatus
    image: int | None
    reason: str = ""


@dataclass(slots=True)
class _Draft:
    """An image as it will be; `row` is None where it is new, `key` until it is written."""

    file: StoredImage
    row: ImageRow | None = None
    had: Labels = field(default_factory=Labels)
    labels: Labels = field(default_factory=Labels)
    details: dict[str, str] = field(default_factory=dict)
    key: int | None = None


def add_images(
    session: Session,
    project: ProjectRow,
    arrivals: Sequence[Arrival],
    metadata: Mapping[str, str],
    limits: LimitsSection,
    now: datetime,
) -> list[Outcome]:
    """Add a batch to the workspace; the project's revision rises if that changes it.

    An image that is there already keeps its labels and metadata, and gets those of the arrival on top.

    Args:
        session: that locked the project with `locked`, not with `changed`.
        project: where to.
        arrivals: in the order of the request.
        metadata: of every image of the batch; checked with `dahlia.server.images.metadata.check_metadata`.
        limits: of the settings.
        now: the time.

    Returns:
        What became of each, in their order.

    Raises:
        ServiceError: there are regions, and the project is a classifier, or one has the negative tag.
    """
    check_regions(session, project, [[tag for tag, _ in arrival.regions] for arrival in arrivals])
    batch = _Batch(session, project, arrivals, limits)
    admitted = [batch.admit(arrival, metadata) for arrival in arrivals]
    batch.write(now)
    return [
        Outcome(arrival.source, one.status, None, one.reason)
        if isinstance(one, Rejected)
        else Outcome(arrival.source, one[0], one[1].key)
        for arrival, one in zip(arrivals, admitted, strict=True)
    ]


def check_regions(session: Session, project: ProjectRow, regions: Sequence[Sequence[str]]) -> None:
    """Let the regions of a batch of images pass.

    Args:
        session: to read.
        project: where to.
        regions: for each image the ids of its regions' tags.

    Raises:
        ServiceError: there are regions, and the project is a classifier, or one has the negative tag.
    """
    if any(regions):
        check_takes_regions(project)
        places = (
            (f"images[{image}].regions[{place}]", tag)
            for image, tags in enumerate(regions)
            for place, tag in enumerate(tags)
        )
        refuse_negative_regions(session, project, places)


class _Batch:
    def __init__(
        self, session: Session, project: ProjectRow, arrivals: Iterable[Arrival], limits: LimitsSection
    ) -> None:
        arrivals = list(arrivals)
        self._session, self._project, self._limits = session, project, limits
        self._rules = Rules.of(session, project, limits)
        self._tags = live_tags(session, project, {tag for one in arrivals for tag in _tag_ids(one)})
        self._drafts = self._present(
            {one.file.sha256 for one in arrivals if isinstance(one.file, StoredImage)}
        )
        self._room = max(0, limits.images_per_project - self._count())

    def admit(
        self, arrival: Arrival, metadata: Mapping[str, str]
    ) -> Rejected | tuple[ImageCreateStatus, _Draft]:
        """Decide on an arrival, in the light of those before it."""
        file = arrival.file
        if isinstance(file, Rejected):
            return file
        unknown = next((tag for tag in _tag_ids(arrival) if tag not in self._tags), None)
        if unknown is not None:
            return Rejected(
                ImageCreateStatus.ERROR_INVALID_TAG,
                f"Expected ids of tags of this project, received {unknown}. List the tags, and take "
                "their ids from there.",
            )
        present = self._drafts.get(file.sha256)
        draft = present or _Draft(file)
        labels = draft.labels.with_more(
            (self._tags[tag] for tag in arrival.tag_ids),
            ((self._tags[tag], box) for tag, box in arrival.regions),
        )
        details = {**draft.details, **metadata}
        if problem := self._rules.broken_by(labels):
            return Rejected(problem, self._rules.reason(problem, labels))
        if reason := self._excess(present, details):
            return Rejected(ImageCreateStatus.ERROR_LIMIT, reason)
        draft.labels, draft.details = labels, details
        self._drafts[file.sha256] = draft
        self._room -= present is None
        return (ImageCreateStatus.OK_DUPLICATE if present else ImageCreateStatus.OK), draft

    def write(self, now: datetime) -> None:
        """Write what was admitted."""
        drafts = list(self._drafts.values())
        fresh = [draft for draft in drafts if draft.row is None]
        self._insert_images(fresh, now)
        regrouped = False
        for draft in drafts:
            if draft.row is not None and draft.row.details != draft.details:
                regrouped = regrouped or group_of(draft.row.details) != group_of(draft.details)
                draft.row.details = draft.details
        tags = [(_key(draft), tag) for draft in drafts for tag in sorted(draft.labels.tags - draft.had.tags)]
        regions = [
            (_key(draft), *one)
            for draft in drafts
            for one in sorted(draft.labels.regions - draft.had.regions)
        ]
        insert_tags(self._session, self._project, tags, now)
        insert_regions(self._session, self._project, regions, now)
        if fresh or tags or regions or regrouped:
            self._project.revision += 1

    def _excess(self, present: _Draft | None, details: Mapping[str, str]) -> str:
        """What there would be too much of, in words; empty where there is not."""
        if present is None and self._room == 0:
            return (
                f"Expected at most {self._limits.images_per_project:,} images in a project, received one "
                "more. Delete some, or raise limits.images_per_project in the server's settings."
            )
        if len(details) > self._limits.metadata_pairs:
            return (
                f"Expected at most {self._limits.metadata_pairs} metadata entries on an image, received one "
                f"that would have {len(details)}. Leave some out."
            )
        return ""

    def _present(self, contents: set[str]) -> dict[str, _Draft]:
        live = ImageRow.project_key == self._project.key, ImageRow.removed.is_(None)
        rows = self._session.scalars(select(ImageRow).where(*live, ImageRow.sha256.in_(contents))).all()
        labels = labels_of(self._session, [row.key for row in rows])
        return {
            row.sha256: _Draft(
                StoredImage(row.sha256, row.suffix, row.width, row.height, row.size),
                row,
                had=labels[row.key],
                labels=labels[row.key],
                details=row.details,
                key=row.key,
            )
            for row in rows
        }

    def _count(self) -> int:
        live = ImageRow.project_key == self._project.key, ImageRow.removed.is_(None)
        return self._session.scalar(select(func.count()).select_from(ImageRow).where(*live)) or 0

    def _insert_images(self, drafts: list[_Draft], now: datetime) -> None:
        if not drafts:
            return
        rows = [
            {
                "id": new_id(),
                "project_key": self._project.key,
                "sha256": draft.file.sha256,
                "suffix": draft.file.suffix,
                "width": draft.file.width,
                "height": draft.file.height,
                "size": draft.file.size,
                "details": draft.details,
                "tagged": bool(draft.labels.tags),
                "created": now,
                "added": self._project.epoch,
                "removed": None,
            }
            for draft in drafts
        ]
        inserted = insert(ImageRow).returning(ImageRow.key, sort_by_parameter_order=True)
        for draft, key in zip(drafts, self._session.scalars(inserted, rows), strict=True):
            draft.key = key


def _tag_ids(arrival: Arrival) -> list[str]:
    return [*arrival.tag_ids, *(tag for tag, _ in arrival.regions)]


def _key(draft: _Draft) -> int:
    assert draft.key is not None
    return draft.key
