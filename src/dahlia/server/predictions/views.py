"""Stored predictions and suggestions as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from dahlia.server.contract.iterations import (
    Prediction,
    StoredImagePrediction,
    StoredSuggestedTagAndRegion,
    SuggestedTagAndRegion,
)
from dahlia.server.database.work_tables import PredictionRow
from dahlia.server.http.addresses import Addresses
from dahlia.server.predictions.rows import Suggestion


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
