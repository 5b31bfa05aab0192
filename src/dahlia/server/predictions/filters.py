"""Which stored predictions and suggestions a query means."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, select

from dahlia.errors import ServiceError
from dahlia.server.database.work_tables import PredictionRow, ScoreRow
from dahlia.server.predictions.rows import FLOOR

LONGEST_APPLICATION = 256


def tag_within(tag_id: str, least: float | None, most: float | None) -> ColumnElement[bool] | None:
    """Whether a tag's probability lies within bounds; None where that says nothing.

    Probabilities below `FLOOR` have no rows, so a lower bound below it counts as 0.

    Args:
        tag_id: of the tag.
        least: 0 where it is None.
        most: 1 where it is None.

    Raises:
        ServiceError: they are no bounds.
    """
    low, high = 0.0 if least is None else least, 1.0 if most is None else most
    if not 0 <= low <= high <= 1:
        raise ServiceError(
            "BadRequestPredictionInvalidQueryParameters",
            f"Expected 0 <= minThreshold <= maxThreshold <= 1, received {low:g} and {high:g}. Send others.",
        )
    if low >= FLOOR:
        return _has_score([tag_id], ScoreRow.probability.between(low, high))
    return None if high >= 1 else ~_has_score([tag_id], ScoreRow.probability > high)


def any_tag_reaches(tag_ids: Iterable[str], threshold: float | None) -> ColumnElement[bool] | None:
    """Whether one of some tags, or any tag where there are none, reaches a probability; None for all.

    Raises:
        ServiceError: the threshold is none.
    """
    threshold = check_threshold(threshold)
    if threshold < FLOOR:
        return None
    return _has_score(list(tag_ids), ScoreRow.probability >= threshold)


def check_threshold(threshold: float | None) -> float:
    """The threshold; 0 where there is none.

    Raises:
        ServiceError: it is not from 0 to 1.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise ServiceError(
            "BadRequestPredictionInvalidQueryParameters",
            f"Expected a threshold from 0 to 1, received {threshold:g}. Send another one.",
        )
    return threshold or 0.0


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


def _has_score(tag_ids: list[str], holds: ColumnElement[bool]) -> ColumnElement[bool]:
    wanted = select(ScoreRow.prediction_key).where(holds)
    return PredictionRow.key.in_(wanted.where(ScoreRow.tag_id.in_(tag_ids)) if tag_ids else wanted)
