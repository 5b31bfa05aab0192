"""Batches of images: from what clients send to what is added, and to what they read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from fastapi import Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.http.replies import REQUEST
from dahlia.server.api.parameters import one_id
from dahlia.server.context import Server
from dahlia.server.contract.bodies import ImageFileBatch, ImageIdBatch, ImageUrlBatch, RegionBody
from dahlia.server.contract.enums import ImageCreateStatus
from dahlia.server.contract.models import ImageCreateSummary
from dahlia.server.database.changes import locked, project_of
from dahlia.server.database.tables import ImageRow
from dahlia.server.http.addresses import Addresses
from dahlia.server.http.middleware import VERSIONS
from dahlia.server.images.adding import (
    Arrival,
    Outcome,
    Rejected,
    StoredImage,
    add_images,
    check_regions,
)
from dahlia.server.images.labels import Box, box_of
from dahlia.server.images.metadata import check_metadata
from dahlia.server.images.queries import image_answers, summary
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access
from dahlia.settings.sections import LimitsSection

REASONS = "dahlia-reasons"
"""A header: why images of a batch were not taken, which the original's answer only names a status for."""
_REASONS = 5  # of the first images
_REASONS_LENGTH = 1500  # characters

_logger = logging.getLogger("dahlia.server")


@dataclass(frozen=True, slots=True)
class Labelling:
    """The labels of one image of a batch: ids of tags, and regions as ids of tags with boxes."""

    tag_ids: tuple[str, ...] = ()
    regions: tuple[tuple[str, Box], ...] = ()


def labels_in(
    batch: ImageFileBatch | ImageUrlBatch | ImageIdBatch,
    limits: LimitsSection,
    tag_ids: Iterable[str] | None = None,
) -> list[Labelling]:
    """The labels of each image of a batch, those of the whole batch included; its metadata is checked.

    Args:
        batch: as the client sent it.
        limits: of a batch.
        tag_ids: of the query, for every image.

    Raises:
        ServiceError: the batch is empty or too large, or an id, a box or the metadata cannot be used.
    """
    common = (*_ids(tag_ids or (), "the parameter tagIds: item {}"), *_ids(batch.tag_ids, "tagIds[{}]"))
    labels = [
        Labelling(
            (*common, *_ids(entry.tag_ids, f"images[{place}].tagIds[{{}}]")),
            _drawn(entry.regions, f"images[{place}].regions"),
        )
        for place, entry in enumerate(batch.images)
    ]
    check_metadata(batch.metadata or {}, limits)
    check_batch(len(labels), [*common, *(tag for one in labels for tag in one.tag_ids)], limits)
    return labels


def check_batch(images: int, tag_ids: Iterable[str], limits: LimitsSection) -> None:
    """Let batches pass that are neither empty nor too large.

    Raises:
        ServiceError: this one is.
    """
    if not images:
        raise ServiceError("BadRequestImageBatch", "Expected at least one image, received none. Add some.")
    tags = len(set(tag_ids))
    if images > limits.batch_images or tags > limits.batch_tags:
        raise ServiceError(
            "BadRequestExceededBatchSize",
            f"Expected at most {limits.batch_images} images and {limits.batch_tags} tags in one call, "
            f"received {images} and {tags}. Send them in several calls.",
        )


def check_project(server: Server, project_id: str, labels: Sequence[Labelling] = ()) -> None:
    """Let images pass before they are stored.

    Raises:
        ServiceError: there is no such project, it is a classifier and there are regions, or one of these has
            the negative tag.
    """
    with server.database.read() as session:
        project = project_of(session, project_id)
        check_regions(session, project, [[tag for tag, _ in one.regions] for one in labels])


@dataclass(frozen=True, slots=True)
class Uploader:
    """Who adds images where, and how the answer goes back.

    Attributes:
        server: that is asked.
        access: whose key it is.
        action: the operation's name, for the audit log.
        project_id: where to.
        version: of the API that the client speaks.
        request: of the client.
        response: gets the status.
    """

    server: Server
    access: Access
    action: str
    project_id: str
    version: str
    request: Request
    response: Response

    def add(
        self,
        sources: Sequence[str | None],
        files: Sequence[StoredImage | Rejected],
        labels: Sequence[Labelling],
        metadata: dict[str, str] | None = None,
        finish: Callable[[Session, Sequence[Outcome]], None] = lambda session, outcomes: None,
    ) -> ImageCreateSummary:
        """Add images whose files are stored, in one transaction.

        Args:
            sources: what the client calls them.
            files: the images; or why there is none.
            labels: of each.
            metadata: of all, checked.
            finish: what else belongs to the transaction; hears what became of the images.

        Raises:
            ServiceError: there is no such project, or a tag is unknown and the client's version has no
                status for that.
        """
        server = self.server
        arrivals = [
            Arrival(source, file, one.tag_ids, one.regions)
            for source, file, one in zip(sources, files, labels, strict=True)
        ]
        with server.database.write() as session:
            project = locked(session, self.project_id, server.now())
            outcomes = [
                self._told(outcome, place)
                for place, outcome in enumerate(
                    add_images(
                        session, project, arrivals, metadata or {}, server.settings.limits, server.now()
                    )
                )
            ]
            finish(session, outcomes)
            added = {outcome.image for outcome in outcomes if outcome.image is not None}
            record(session, server, self.access, self.action, self.project_id, images=len(added))
            session.flush()
            rows = session.scalars(select(ImageRow).where(ImageRow.key.in_(added))).all()
            answers = image_answers(session, rows, Addresses.of(server, self.request))
        answer = summary(outcomes, rows, answers)
        if not answer.is_batch_successful:
            self.response.status_code = partly_done(self.version)
        self._say_why(outcomes)
        return answer

    def _say_why(self, outcomes: Sequence[Outcome]) -> None:
        """Tell the log and a header what the original's answer has no field for."""
        texts = [f"image {number}: {one.reason}" for number, one in enumerate(outcomes, 1) if one.reason]
        if texts:
            said = " ".join(" ".join(texts[:_REASONS]).split())[:_REASONS_LENGTH]
            said = said.encode("ascii", "backslashreplace").decode()
            self.response.headers[REASONS] = said
            _logger.info(
                "Request %s: %d of %d images were not taken. %s",
                REQUEST.get(),
                len(texts),
                len(outcomes),
                said,
            )

    def _told(self, outcome: Outcome, place: int) -> Outcome:
        if VERSIONS.index(self.version) >= VERSIONS.index("v3.4-preview"):
            return outcome
        if outcome.status is ImageCreateStatus.ERROR_INVALID_TAG:
            raise ServiceError(
                "BadRequestImageTags", f"images[{place}]: {outcome.reason} No image was added."
            )
        if outcome.status is ImageCreateStatus.ERROR_DIMENSIONS:
            return replace(outcome, status=ImageCreateStatus.ERROR_SIZE)
        return outcome


def _ids(texts: Iterable[str], place: str) -> tuple[str, ...]:
    return tuple(one_id(text, place.format(number)) for number, text in enumerate(texts))


def _drawn(regions: Iterable[RegionBody], place: str) -> tuple[tuple[str, Box], ...]:
    return tuple(
        (one_id(region.tag_id, f"{place}[{number}].tagId"), box_of(region, f"{place}[{number}]"))
        for number, region in enumerate(regions)
    )


def partly_done(version: str) -> int:
    """The status of an answer that tells of failures: clients of early versions take 200 alone."""
    return 207 if VERSIONS.index(version) >= VERSIONS.index("v3.3") else 200
