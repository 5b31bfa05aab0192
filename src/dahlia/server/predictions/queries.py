"""Stored predictions: which a query means, found page by page, deleted, and made training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.contract.bodies import PredictionQuery
from dahlia.server.contract.enums import ImageCreateStatus, OrderBy, not_found
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow, PredictionRow
from dahlia.server.images.adding import Rejected, StoredImage
from dahlia.server.predictions.paging import NEWEST, OLDEST, UNSUREST, Window, open_window
from dahlia.server.predictions.scores import tag_within

if TYPE_CHECKING:
    from dahlia.settings.sections import LimitsSection

LONGEST_APPLICATION = 256

_ORDERS = {OrderBy.NEWEST: NEWEST, OrderBy.OLDEST: OLDEST, OrderBy.SUGGESTED: UNSUREST}


@dataclass(frozen=True)
class Found:
    """A page.

    Attributes:
        rows: at most as many as were asked for, each with the id of its iteration.
        window: what the page is of.
        continuation: what the next page is asked for with; None at the end.
    """

    rows: list[tuple[PredictionRow, str]]
    window: Window
    continuation: str | None


def find_predictions(
    session: Session, project: ProjectRow, query: PredictionQuery, limits: LimitsSection
) -> Found:
    """A page of the predictions that are stored.

    Args:
        session: to read.
        project: of the predictions.
        query: which of them, with ids as the database spells them.
        limits: of the settings.

    Raises:
        ServiceError: the query cannot be answered, or names an iteration that the project does not have.
    """
    order = _ORDERS[query.order_by or OrderBy.NEWEST]
    asked = (query.session, query.continuation, query.max_count)
    window = open_window(session, project.key, order, asked, limits.page)
    chosen = (
        select(PredictionRow, IterationRow.id)
        .join(IterationRow, IterationRow.key == PredictionRow.iteration_key)
        .where(PredictionRow.project_key == project.key, PredictionRow.image_key.is_(None))
        .where(*_conditions(session, project, query, limits))
    )
    rows = [(row, iteration) for row, iteration in session.execute(window.of(chosen))]
    return Found(rows[: window.count], window, window.continuation([row for row, _ in rows]))


def stored_predictions(
    session: Session, project: ProjectRow, identities: Sequence[str]
) -> dict[str, PredictionRow]:
    """Predictions by their ids; those that are not stored are left out."""
    chosen = select(PredictionRow).where(*_of(project, identities))
    return {row.id: row for row in session.scalars(chosen)}


def delete_predictions(session: Session, project: ProjectRow, identities: Sequence[str]) -> set[str]:
    """Delete stored predictions; cleaning deletes their images later.

    Returns:
        The ids of those that were there.
    """
    gone = delete(PredictionRow).where(*_of(project, identities)).returning(PredictionRow.id)
    return set(session.scalars(gone.execution_options(synchronize_session=False)))


def in_utc(moment: datetime) -> datetime:
    """A moment in UTC; without a time zone it counts as UTC.

    Raises:
        ServiceError: it lies beyond the years 1 to 9999.
    """
    try:
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise ServiceError(
            "BadRequestPredictionInvalidQueryParameters",
            f"Expected a moment of the years 1 to 9999 in UTC, received {moment}. Choose another.",
        ) from None


def training_files(
    session: Session, project: ProjectRow, identities: Sequence[str], limits: LimitsSection
) -> list[StoredImage | Rejected]:
    """For each prediction its image, or why there is none to train on."""
    rows = stored_predictions(session, project, identities)
    return [_file(rows.get(identity), limits) for identity in identities]


def take_away(session: Session, project: ProjectRow, identities: Sequence[str]) -> None:
    """Delete the predictions that are training images now, in the transaction that makes them so.

    Raises:
        ServiceError: one was deleted in the meantime, and its files may be gone.
    """
    if delete_predictions(session, project, identities) != set(identities):
        raise ServiceError(
            "Conflict",
            "Expected predictions that are stored, received one that was deleted just now. No image was "
            "added; query the predictions again.",
        )


def check_application(name: str | None) -> str | None:
    """What a client calls itself, if it can be stored; None for nothing.

    Raises:
        ServiceError: it is too long, or has characters that do not print.
    """
    if not name:
        return None
    if len(name) > LONGEST_APPLICATION or not name.isprintable():
        raise ServiceError(
            "BadRequestPredictionInvalidApplicationName",
            f"Expected an application of at most {LONGEST_APPLICATION} printable characters, received "
            f"{name[:80]!r}. Choose a shorter or plainer one.",
        )
    return name


def _of(project: ProjectRow, identities: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        PredictionRow.id.in_(identities),
        PredictionRow.project_key + 0 == project.key,  # see `among_named`
        PredictionRow.image_key.is_(None),
    )


def _conditions(
    session: Session, project: ProjectRow, query: PredictionQuery, limits: LimitsSection
) -> list[ColumnElement[bool]]:
    if len(query.tags) > limits.query_tags:
        raise ServiceError(
            "BadRequestPredictionTagsExceededCount",
            f"Expected at most {limits.query_tags} tags, received {len(query.tags)}. Query for the others "
            "in a second call.",
        )
    bounds = (tag_within(project.kind, tag.id, tag.min_threshold, tag.max_threshold) for tag in query.tags)
    conditions = [bound for bound in bounds if bound is not None]
    if query.iteration_id:
        conditions.append(PredictionRow.iteration_key == _iteration_key(session, project, query.iteration_id))
    if query.start_time:
        conditions.append(PredictionRow.created >= in_utc(query.start_time))
    if query.end_time:
        conditions.append(PredictionRow.created <= in_utc(query.end_time))
    if application := check_application(query.application):
        conditions.append(PredictionRow.application == application)
    return conditions


def _iteration_key(session: Session, project: ProjectRow, identity: str) -> int:
    key = session.scalar(
        select(IterationRow.key).where(IterationRow.id == identity, IterationRow.project_key == project.key)
    )
    if key is None:
        raise not_found("Iteration", identity)
    return key


def _file(row: PredictionRow | None, limits: LimitsSection) -> StoredImage | Rejected:
    if row is None:
        return Rejected(
            ImageCreateStatus.ERROR_SOURCE,
            "Expected a stored prediction, received one that is not here. Query the predictions again.",
        )
    shorter, longer = sorted((row.width, row.height))
    if longer > limits.max_edge or longer > limits.max_aspect * shorter:
        return Rejected(
            ImageCreateStatus.ERROR_DIMENSIONS,
            f"Expected edges of at most {limits.max_edge:,} pixels, one at most {limits.max_aspect:g} times "
            f"the other, received {row.width}x{row.height} pixels. Scale it down, or cut it in pieces.",
        )
    if row.size > limits.max_image_mb * 1024 * 1024:
        return Rejected(
            ImageCreateStatus.ERROR_SIZE,
            f"Expected an image of at most {limits.max_image_mb:g} MB, received a larger one. Scale it down.",
        )
    return StoredImage(row.sha256, row.suffix, row.width, row.height, row.size)
