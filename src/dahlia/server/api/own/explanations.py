"""Heat maps: which parts of an image speak for a tag."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dahlia.errors import ServiceError
from dahlia.server.api.parameters import ProjectId, one_id
from dahlia.server.api.predictions import ThePredictions
from dahlia.server.api.quick_tests import ONE_IMAGE, image_at, sent_image
from dahlia.server.api.routing import PROJECT, own_router
from dahlia.server.context import Server
from dahlia.server.contract.bodies import ImageUrl
from dahlia.server.contract.reports import ExplainedPrediction
from dahlia.server.database.changes import project_of
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.files import stored_bytes
from dahlia.server.images.queries import View, image_of
from dahlia.server.images.storing import most_bytes
from dahlia.server.predictions.service import PredictionService, published_iteration, tested_iteration
from dahlia.server.storage.names import image_key

router = own_router("explanations")

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ExplainedPrediction,
        "description": "the prediction with the map; a picture where `Accept` names `image/png`",
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _explained(
    server: TheServer,
    project_id: ProjectId,
    iteration_id: Annotated[
        str | None,
        Query(alias="iterationId", description="default: the iteration trained last"),
    ] = None,
    publish_name: Annotated[str | None, Query(alias="publishName", description="in place of its id")] = None,
) -> IterationRow:
    if iteration_id and publish_name:
        raise ServiceError(
            "BadRequestInvalid",
            "Expected an iteration by iterationId or by publishName, received both. Leave one out.",
        )
    with server.database.read() as session:
        if publish_name:
            return published_iteration(session, project_id, publish_name)
        return tested_iteration(session, project_id, one_id(iteration_id) if iteration_id else None)


_Iteration = Annotated[IterationRow, Depends(_explained)]
_Tag = Annotated[str | None, Query(description="its name or id (default: the most probable one)")]


@router.post(PROJECT + "/explain/image", response_class=Response, responses=_ANSWERS, openapi_extra=ONE_IMAGE)
async def explain_image(
    request: Request,
    project_id: ProjectId,
    access: Reads,
    server: TheServer,
    service: ThePredictions,
    iteration: _Iteration,
    tag: _Tag = None,
) -> Response:
    """Explain an iteration's prediction of an image: the file of a form, or the body itself."""
    async with sent_image(request, server, access) as image:
        return await _answer(request, service, project_id, iteration, image, tag)


@router.post(PROJECT + "/explain/url", response_class=Response, responses=_ANSWERS)
async def explain_image_url(
    request: Request,
    project_id: ProjectId,
    access: Trains,
    server: TheServer,
    service: ThePredictions,
    iteration: _Iteration,
    body: ImageUrl,
    tag: _Tag = None,
) -> Response:
    """Explain an iteration's prediction of the image at an address."""
    image = await image_at(request, server, service, body.url)
    return await _answer(request, service, project_id, iteration, image, tag)


@router.post(PROJECT + "/explain/stored", response_class=Response, responses=_ANSWERS)
async def explain_stored_image(
    request: Request,
    project_id: ProjectId,
    access: Reads,
    server: TheServer,
    service: ThePredictions,
    iteration: _Iteration,
    image_id: Annotated[str, Query(alias="imageId", description="of an image of the project")],
    tag: _Tag = None,
) -> Response:
    """Explain an iteration's prediction of an image of the project."""
    image = await run_in_threadpool(_stored, server, project_id, one_id(image_id))
    return await _answer(request, service, project_id, iteration, image, tag)


def _stored(server: Server, project_id: str, image_id: str) -> bytes:
    with server.database.read() as session:
        project = project_of(session, project_id)
        row = image_of(session, View(project, None), image_id)
    most = most_bytes(server.settings.limits)
    data = stored_bytes(server, image_key(row.sha256, row.suffix), most)
    if data is None:
        raise ServiceError(
            "BadRequestImageSizeBytes",
            f"Expected an image of at most {most:,} bytes, received a larger one. Raise limits.max_image_mb "
            "in the server's settings.",
        )
    return data


async def _answer(
    request: Request,
    service: PredictionService,
    project_id: str,
    iteration: IterationRow,
    image: bytes,
    tag: str | None,
) -> Response:
    return await service.explain(
        project_id, iteration.id, iteration.number, image, tag, request.headers.get("accept", "")
    )
