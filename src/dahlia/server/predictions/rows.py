"""Rows of predictions that were kept, and of suggestions: inserted, and as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from dahlia.server.contract.iterations import (
    Prediction,
    StoredImagePrediction,
    StoredSuggestedTagAndRegion,
    SuggestedTagAndRegion,
)
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.work_tables import IterationRow, PredictionRow, ScoreRow
from dahlia.server.http.addresses import Addresses
from dahlia.server.images.validation import Received
from dahlia.server.predictions.uncertainty import uncertainty_of

FLOOR = 0.01  # probabilities below it are not kept one by one: 500 tags would be 500 rows for a prediction


@dataclass(frozen=True)
class Arrived:
    """A prediction out of the journal.

    Attributes:
        image: what was asked about.
        facts: the answer, with `publishName` and `application`.
    """

    image: Received
    facts: dict[str, Any]


@dataclass(frozen=True)
class Suggestion:
    """What an iteration says of an untagged image; `uncertainty` is 0 to 1."""

    image: ImageRow
    predictions: list[dict[str, Any]]
    uncertainty: float


def insert_arrived(session: Session, arrived: Sequence[Arrived]) -> None:
    """Insert predictions; those of iterations that were deleted since are left out."""
    iterations = _iterations(session, {one.facts["iteration"] for one in arrived})
    rows = [
        _row(iterations[one.facts["iteration"]], one.facts["predictions"])
        | {
            "id": one.facts["id"],
            "image_key": None,
            "sha256": one.image.sha256,
            "suffix": one.image.suffix,
            "width": one.image.width,
            "height": one.image.height,
            "size": one.image.size,
            "application": one.facts.get("application"),
            "created": datetime.fromisoformat(one.facts["created"]),
        }
        for one in arrived
        if one.facts["iteration"] in iterations
    ]
    _insert(session, rows)


def insert_suggestions(
    session: Session, iteration: IterationRow, suggestions: Sequence[Suggestion], now: datetime
) -> None:
    """Insert what an iteration says of images in place of what it said before; not of those that are gone."""
    keys = _still_there(session, [one.image.key for one in suggestions])
    session.execute(
        delete(PredictionRow)
        .where(PredictionRow.image_key.in_(keys), PredictionRow.iteration_key == iteration.key)
        .execution_options(synchronize_session=False)
    )
    rows = [
        _row(iteration, one.predictions)
        | {
            "id": one.image.id,
            "image_key": one.image.key,
            "sha256": one.image.sha256,
            "suffix": one.image.suffix,
            "width": one.image.width,
            "height": one.image.height,
            "size": 0,  # the image is a training image
            "application": None,
            "created": now,
        }
        for one in suggestions
        if one.image.key in keys
    ]
    _insert(session, rows)


def stored_answer(
    row: PredictionRow, iteration: str, project: str, addresses: Addresses
) -> StoredImagePrediction:
    """A prediction that is stored."""
    return StoredImagePrediction(**_fields(row, iteration, project), **_kept(row, addresses))


def stored_suggestion_answer(
    row: PredictionRow, iteration: str, project: str, addresses: Addresses
) -> StoredSuggestedTagAndRegion:
    """A suggestion that is stored."""
    return StoredSuggestedTagAndRegion(
        **_fields(row, iteration, project),
        **_kept(row, addresses),
        width=row.width,
        height=row.height,
        prediction_uncertainty=row.uncertainty,
    )


def suggestion_answer(
    suggestion: Suggestion, iteration: str, project: str, created: datetime
) -> SuggestedTagAndRegion:
    """A suggestion as it was just made."""
    return SuggestedTagAndRegion(
        id=suggestion.image.id,
        project=project,
        iteration=iteration,
        created=created,
        predictions=_predictions(suggestion.predictions),
        prediction_uncertainty=suggestion.uncertainty,
    )


def _iterations(session: Session, ids: Iterable[str]) -> dict[str, IterationRow]:
    chosen = select(IterationRow).where(IterationRow.id.in_(list(ids)))
    # Nobody deletes them until the rows that refer to them are there.
    return {row.id: row for row in session.scalars(chosen.with_for_update(read=True, key_share=True))}


def _still_there(session: Session, images: Sequence[int]) -> set[int]:
    chosen = select(ImageRow.key).where(ImageRow.key.in_(images))
    return set(session.scalars(chosen.with_for_update(read=True, key_share=True)))


def _row(iteration: IterationRow, predictions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "project_key": iteration.project_key,
        "iteration_key": iteration.key,
        "domain_id": iteration.domain_id,
        "predictions": predictions,
        "uncertainty": uncertainty_of(iteration, predictions),
    }


def _insert(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    inserted = insert(PredictionRow).returning(PredictionRow.key, sort_by_parameter_order=True)
    scores = [
        {"prediction_key": key, "tag_id": tag, "probability": probability}
        for key, row in zip(session.scalars(inserted, rows), rows, strict=True)
        for tag, probability in _best(row["predictions"]).items()
        if probability >= FLOOR
    ]
    if scores:
        session.execute(insert(ScoreRow), scores)


def _best(predictions: Iterable[dict[str, Any]]) -> dict[str, float]:
    """The highest probability of each tag, of which detectors may find several."""
    best: dict[str, float] = {}
    for one in predictions:
        best[one["tagId"]] = max(one["probability"], best.get(one["tagId"], 0.0))
    return best


def _fields(row: PredictionRow, iteration: str, project: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "project": project,
        "iteration": iteration,
        "created": row.created,
        "predictions": _predictions(row.predictions),
    }


def _predictions(stored: Iterable[dict[str, Any]]) -> tuple[Prediction, ...]:
    return tuple(Prediction.model_validate(one) for one in stored)


def _kept(row: PredictionRow, addresses: Addresses) -> dict[str, Any]:
    return {
        "resized_image_uri": addresses.resized(row.sha256, row.suffix, row.width, row.height),
        "thumbnail_uri": addresses.thumbnail(row.sha256),
        "original_image_uri": addresses.original(row.sha256, row.suffix),
        "domain": row.domain_id,
    }
