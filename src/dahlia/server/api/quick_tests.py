"""Quick tests: an image and an iteration, published or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from starlette.responses import Response

from dahlia.http.form_images import FIELD
from dahlia.http.replies import reply
from dahlia.server.api.image_bodies import read_one_image
from dahlia.server.api.parameters import ProjectId, one_id
from dahlia.server.api.predictions import ThePredictions
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.context import Server
from dahlia.server.contract.bodies import ImageUrl
from dahlia.server.contract.iterations import ImagePrediction
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.http.access import TheServer, Trains
from dahlia.server.http.uploads import capacity_of, read_upload
from dahlia.server.images.own_links import Web
from dahlia.server.images.storing import most_bytes
from dahlia.server.keys.scopes import Access
from dahlia.server.predictions.queries import check_application
from dahlia.server.predictions.service import PredictionService, tested_iteration

router = training_router("Quick tests")

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
_Application = Annotated[str | None, Query(description="the client's name; stored with the prediction")]
_Store = Annotated[bool, Query(description="whether to store image and answer as a prediction")]


@router.post(PROJECT + "/quicktest/image", response_model=ImagePrediction, openapi_extra=ONE_IMAGE)
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


@router.post(PROJECT + "/quicktest/url", response_model=ImagePrediction)
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
