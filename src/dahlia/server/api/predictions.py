"""Stored predictions: found, deleted, made training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.api.image_batches import Uploader, labels_in
from dahlia.server.api.parameters import BatchTags, ProjectId, Version, many_ids, one_id
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.contract.bodies import ImageIdBatch, PredictionQuery, PredictionQueryTag
from dahlia.server.contract.enums import OrderBy
from dahlia.server.contract.iterations import PredictionQueryResult, PredictionQueryToken
from dahlia.server.contract.iterations import PredictionQueryTag as TagAnswer
from dahlia.server.contract.models import ImageCreateSummary
from dahlia.server.database.changes import project_of
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.addresses import Addresses
from dahlia.server.images.adding import Outcome
from dahlia.server.keys.audit import record
from dahlia.server.predictions.queries import (
    Found,
    delete_predictions,
    find_predictions,
    in_utc,
    take_away,
    training_files,
)
from dahlia.server.predictions.rows import stored_answer
from dahlia.server.predictions.service import PredictionService

router = training_router("Predictions")

_CATCH_UP_SECONDS = 5.0
_PARTLY: dict[int | str, dict[str, Any]] = {
    207: {"model": ImageCreateSummary, "description": "not all images were added"}
}


def prediction_service_of(request: Request) -> PredictionService:
    """What computes and keeps predictions."""
    service: PredictionService = request.app.state.predictions
    return service


ThePredictions = Annotated[PredictionService, Depends(prediction_service_of)]


@router.post(PROJECT + "/predictions/query")
def query_predictions(
    access: Reads,
    server: TheServer,
    service: ThePredictions,
    request: Request,
    project_id: ProjectId,
    query: PredictionQuery,
) -> PredictionQueryResult:
    """A page of the stored predictions; send the token of the answer for the next one.

    Predictions that come after the first page are not part of it. `minThreshold` and `maxThreshold` bound the
    probability of a tag; a prediction must keep to those of all tags. Probabilities below 0.01 count as 0.
    """
    query = _spelled(query)
    service.journal.catch_up(_CATCH_UP_SECONDS)
    with server.database.read() as session:
        found = find_predictions(session, project_of(session, project_id), query, server.settings.limits)
    addresses = Addresses.of(server, request)
    results = tuple(stored_answer(row, iteration, project_id, addresses) for row, iteration in found.rows)
    return PredictionQueryResult(token=_token(query, found), results=results)


@router.delete(PROJECT + "/predictions", status_code=204)
def delete_prediction(
    access: Trains,
    server: TheServer,
    service: ThePredictions,
    project_id: ProjectId,
    ids: Annotated[
        list[str] | None, Query(description="of predictions, at most 64; repeated or comma-separated")
    ] = None,
) -> None:
    """Delete stored predictions; unknown ids are ignored."""
    identities = many_ids(ids)
    if not identities:
        raise ServiceError(
            "BadRequestPredictionIdsMissing",
            "Expected ids of predictions, received none. Name some with ids=.",
        )
    most = server.settings.limits.delete_predictions
    if len(identities) > most:
        raise ServiceError(
            "BadRequestPredictionIdsExceededCount",
            f"Expected at most {most} ids, received {len(identities)}. Send them in several calls.",
        )
    service.journal.catch_up(_CATCH_UP_SECONDS)
    with server.database.write() as session:
        gone = delete_predictions(session, project_of(session, project_id), identities)
        record(session, server, access, "delete_prediction", project_id, predictions=len(gone))


@router.post(PROJECT + "/images/predictions", responses=_PARTLY)
def create_images_from_predictions(
    access: Trains,
    server: TheServer,
    service: ThePredictions,
    request: Request,
    response: Response,
    project_id: ProjectId,
    version: Version,
    batch: ImageIdBatch,
    tag_ids: BatchTags = None,
) -> ImageCreateSummary:
    """Turn stored predictions into training images, with tags and regions."""
    labels = labels_in(batch, server.settings.limits, tag_ids)
    sources = [one_id(entry.id) for entry in batch.images]
    service.journal.catch_up(_CATCH_UP_SECONDS)
    with server.database.read() as session:
        files = training_files(session, project_of(session, project_id), sources, server.settings.limits)

    def finish(session: Session, outcomes: Sequence[Outcome]) -> None:
        added = [one.source for one in outcomes if one.image is not None and one.source]
        take_away(session, project_of(session, project_id), added)

    uploader = Uploader(
        server, access, "create_images_from_predictions", project_id, version, request, response
    )
    return uploader.add(sources, files, labels, batch.metadata, finish)


def _spelled(query: PredictionQuery) -> PredictionQuery:
    """The query with ids and moments as the database spells them."""
    changes: dict[str, Any] = {
        "tags": tuple(tag.model_copy(update={"id": one_id(tag.id)}) for tag in query.tags),
        "iteration_id": one_id(query.iteration_id) if query.iteration_id else None,
        "start_time": in_utc(query.start_time) if query.start_time else None,
        "end_time": in_utc(query.end_time) if query.end_time else None,
    }
    return query.model_copy(update=changes)


def _token(query: PredictionQuery, found: Found) -> PredictionQueryToken:
    return PredictionQueryToken(
        session=found.window.session,
        continuation=found.continuation,
        max_count=query.max_count or 0,
        order_by=query.order_by or OrderBy.NEWEST,
        tags=tuple(_tag(tag) for tag in query.tags),
        iteration_id=query.iteration_id,
        start_time=query.start_time,
        end_time=query.end_time,
        application=query.application,
    )


def _tag(tag: PredictionQueryTag) -> TagAnswer:
    return TagAnswer(id=tag.id, min_threshold=tag.min_threshold, max_threshold=tag.max_threshold)
