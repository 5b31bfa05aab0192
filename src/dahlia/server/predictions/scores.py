"""Predictions by the probabilities of tags: of a detector, that of the best box of each tag.

A detector says nothing of tags that it does not find, so a tag that is named has to have a box, however low
the threshold; a classifier says a probability of every tag.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, select

from dahlia.errors import ServiceError
from dahlia.kinds import Kind
from dahlia.server.database.work_tables import PredictionRow, ScoreRow
from dahlia.server.predictions.rows import FLOOR

_SAYS_EVERY_TAG: dict[Kind, bool] = {"multiclass": True, "multilabel": True, "detection": False}


def tag_within(
    kind: Kind, tag_id: str, least: float | None, most: float | None
) -> ColumnElement[bool] | None:
    """Whether a tag's probability lies within bounds; None where that says nothing.

    Probabilities below `FLOOR` have no rows, so a lower bound below it counts as 0.

    Args:
        kind: of the project.
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
    if says_nothing(kind, low):
        return None if high >= 1 else ~_has_score([tag_id], ScoreRow.probability > high)
    return _has_score([tag_id], ScoreRow.probability.between(low, high))


def any_tag_reaches(
    kind: Kind, tag_ids: Iterable[str], threshold: float | None
) -> ColumnElement[bool] | None:
    """Whether one of some tags, or any tag where there are none, reaches a probability; None for all.

    Args:
        kind: of the project.
        tag_ids: of the tags.
        threshold: 0 where it is None.

    Raises:
        ServiceError: the threshold is none.
    """
    threshold, named = check_threshold(threshold), list(tag_ids)
    if says_nothing(kind, threshold) or (threshold < FLOOR and not named):
        return None
    return _has_score(named, ScoreRow.probability >= threshold)


def says_nothing(kind: Kind, threshold: float) -> bool:
    """Whether every prediction reaches a threshold for every tag."""
    return threshold < FLOOR and _SAYS_EVERY_TAG[kind]


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


def _has_score(tag_ids: list[str], holds: ColumnElement[bool]) -> ColumnElement[bool]:
    wanted = select(ScoreRow.prediction_key).where(holds)
    return PredictionRow.key.in_(wanted.where(ScoreRow.tag_id.in_(tag_ids)) if tag_ids else wanted)
