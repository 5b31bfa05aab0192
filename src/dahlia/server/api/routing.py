"""How the routers describe their operations."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from dahlia.server.contract.models import GatewayErrorBody, ServiceErrorBody
from dahlia.server.http.access import identify_early
from dahlia.server.http.middleware import OWN, TRAINING
from dahlia.server.http.requests import Form, in_one_form

PROJECT = "/projects/{project_id}"
ITERATION = PROJECT + "/iterations/{iteration_id}"
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": GatewayErrorBody if status == 401 else ServiceErrorBody, "description": what}
    for status, what in {
        400: "the request cannot be used",
        401: "no key, or a wrong one",
        403: "the key may not do this",
        404: "not found",
        409: "conflicts with the current state",
        503: "temporarily unavailable",
    }.items()
}


class _Json(JSONResponse):
    media_type = "application/json; charset=utf-8"


class _Route(APIRoute):
    """Brings requests into one form, and leaves out of an answer what was not given.

    Absent and null are different things to clients.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        options["response_model_exclude_unset"] = True
        super().__init__(*given, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        form = Form.of(self.dependant, streamed=self.openapi_extra is not None)

        async def handler(request: Request) -> Response:
            await run_in_threadpool(identify_early, request)
            return await handle(await in_one_form(request, form))

        return handler


def training_router(area: str) -> APIRouter:
    """A router of the training API; `area` heads its operations on the page."""
    return _router(TRAINING, area)


def own_router(area: str) -> APIRouter:
    """A router of operations that Custom Vision does not have; see `training_router`."""
    return _router(OWN, f"Dahlia: {area}")


def _router(prefix: str, area: str) -> APIRouter:
    return APIRouter(
        prefix=prefix,
        tags=[area],
        route_class=_Route,
        responses=_REFUSALS,
        default_response_class=_Json,
    )
