"""Predictions: quick tests of an iteration; stored ones, found, deleted, made training images."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.http.form_images import FIELD
from dahlia.http.replies import reply
from dahlia.server.api.image_batches import Uploader, labels_in
from dahlia.server.api.image_bodies import read_one_image
from dahlia.server.api.parameters import (
    PROJECT,
    BatchTags,
    ProjectId,
    Version,
    many_ids,
    one_id,
    training_router,
)
from dahlia.server.context import Server
from dahlia.server.contract.bodies import ImageIdBatch, ImageUrl, PredictionQuery, PredictionQueryTag
from dahlia.server.contract.enums import OrderBy
from dahlia.server.contract.iterations import ImagePrediction, PredictionQueryResult, PredictionQueryToken
from dahlia.server.contract.iterations import PredictionQueryTag as TagAnswer
from dahlia.server.contract.models import ImageCreateSummary
from dahlia.server.database.changes import project_of
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.addresses import Addresses, Web
from dahlia.server.http.files import capacity_of, read_upload
from dahlia.server.images.adding import Outcome
from dahlia.server.images.lifecycle import most_bytes
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access
from dahlia.server.predictions.queries import (
    Found,
    check_application,
    delete_predictions,
    find_predictions,
    in_utc,
    take_away,
    training_files,
)
from dahlia.server.predictions.rows import stored_answer
from dahlia.server.predictions.service import PredictionService, tested_iteration

router = training_router("Predictions")
_CATCH_UP_SECONDS = 5.0
_PARTLY: dict[int | str, dict[str, Any]] = {
    207: {"model": ImageCreateSummary, "description": "not all images were added"}
}
quick_tests = training_router("Quick tests")
_AROUND = 64 * 1024  # bytes of a form around its image
_BYTES = {"type": "string", "format": "binary"}
ONE_IMAGE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {FIELD: _BYTES}, "required": [FIELD]}
            },
            "application/octet-stream": {"schema": _BYTES},
        },
    }
}
_Application = Annotated[str | None, Query(description="the client's name; stored with the prediction")]
_Store = Annotated[bool, Query(description="whether to store image and answer as a prediction")]


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


def _tested(
    server: TheServer,
    project_id: ProjectId,
    iteration_id: Annotated[
        str | None, Query(alias="iterationId", description="default: the iteration trained last")
    ] = None,
) -> IterationRow:
    with server.database.read() as session:
        return tested_iteration(session, project_id, one_id(iteration_id) if iteration_id else None)


_Tested = Annotated[IterationRow, Depends(_tested)]


@quick_tests.post(PROJECT + "/quicktest/image", response_model=ImagePrediction, openapi_extra=ONE_IMAGE)
async def quick_test_image(
    request: Request,
    project_id: ProjectId,
    access: Trains,
    server: TheServer,
    service: ThePredictions,
    iteration: _Tested,
    store: _Store = True,
    application: _Application = None,
) -> Response:
    """Classify an image: the file of a form, or the body itself."""
    async with sent_image(request, server, access) as image:
        return await _answer(service, project_id, iteration, image, store, application)


@quick_tests.post(PROJECT + "/quicktest/url", response_model=ImagePrediction)
async def quick_test_image_url(
    request: Request,
    project_id: ProjectId,
    access: Trains,
    server: TheServer,
    service: ThePredictions,
    iteration: _Tested,
    body: ImageUrl,
    store: _Store = True,
    application: _Application = None,
) -> Response:
    """Classify the image at an address; a link of this server is read without a request."""
    image = await image_at(request, server, service, body.url)
    return await _answer(service, project_id, iteration, image, store, application)


@asynccontextmanager
async def sent_image(request: Request, server: Server, access: Access) -> AsyncIterator[bytes]:
    """The image in a request's body, which counts as held in memory until the block ends.

    Raises:
        ServiceError: there is none, or too much of one.
    """
    headers, most = request.headers, most_bytes(server.settings.limits)
    with capacity_of(request).body(access.key_id) as hold:
        body = await read_upload(request.receive, headers.get("content-length", ""), most + _AROUND, hold)
        yield read_one_image(headers.get("content-type", ""), body, most)


async def image_at(request: Request, server: Server, service: PredictionService, url: str) -> bytes:
    """The image at an address; a link of this server is read without a request.

    Raises:
        ServiceError: there is none, or it may not be fetched.
    """
    bring = Web(server, request.headers.get("host", "")).bring
    with service.admission.fetch():
        return await bring(url, most=most_bytes(server.settings.limits))


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


async def _answer(
    service: PredictionService,
    project_id: str,
    iteration: IterationRow,
    image: bytes,
    store: bool,
    application: str | None,
) -> Response:
    name = check_application(application)
    fields = await service.predict(
        project_id, iteration.id, iteration.number, image, keep=store, application=name
    )
    return reply(fields, 200)
