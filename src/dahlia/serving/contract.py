"""The classify-image routes of the Custom Vision prediction API, as a small ASGI application.

    POST /customvision/{version}/prediction/{projectId}/classify/iterations/{publishName}/image[/nostore]

Segments match without regard to case, and repeated slashes count as one. The path is matched before it is
decoded, so that a publish name may hold any character, a slash included.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from dahlia.errors import ServingError
from dahlia.serving.body import image_of, read_body

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from dahlia.serving.predictor import Predictor

_ROUTE = re.compile(
    r"/+customvision/+v3\.(?:[0-3]|4-preview)/+prediction/+(?P<project>[^/]+)"
    r"/+(?P<task>classify|detect)/+iterations/+(?P<name>[^/]+)/+image(?P<nostore>/+nostore)?/*",
    re.IGNORECASE,
)
_DOOR = re.compile(r"/+customvision/", re.IGNORECASE)


@dataclass(frozen=True)
class Route:
    """What a path asks for; `name` is the publish name."""

    project: str
    task: str
    name: str
    keep: bool


def is_contract(scope: Scope) -> bool:
    """Whether a request is for the Custom Vision API at all."""
    return _DOOR.match(_raw_path(scope)) is not None


def parse_route(scope: Scope) -> Route | None:
    """Match a request's path; None for a route that there is not."""
    match = _ROUTE.fullmatch(_raw_path(scope))
    if match is None or scope["method"] != "POST":
        return None
    name = unquote(match["name"])
    return Route(unquote(match["project"]), match["task"].lower(), name, keep=not match["nostore"])


async def handle(scope: Scope, receive: Receive, route: Route, predictor: Predictor) -> Response:
    """Answer a classify-image request.

    Raises:
        ServingError: it is refused.
    """
    headers = Headers(scope=scope)
    body = await read_body(receive, headers)
    _check_project(route, predictor)
    image = image_of(body, headers.get("content-type", ""))
    application = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("application", [None])[0]
    result = await predictor.predict(route.name, image, keep=route.keep, application=application)
    return reply(result.model_dump(), 200)


def refusal(error: ServingError) -> Response:
    """An error of the service: flat `code` and `message`."""
    return reply({"code": error.code, "message": str(error)}, error.status)


def gateway_refusal(status: int, message: str, **headers: str) -> Response:
    """An error of the gateway before the service: nested, its code the HTTP status."""
    return reply({"error": {"code": str(status), "message": message}}, status, **headers)


def no_such_route() -> Response:
    """The answer to a path that the API does not have."""
    return reply({"statusCode": 404, "message": "Resource not found"}, 404)


def reply(content: object, status: int, **headers: str) -> Response:
    """JSON with the headers that the API's answers carry."""
    common = {"apim-request-id": str(uuid.uuid4()), "x-content-type-options": "nosniff"}
    return JSONResponse(
        content, status, headers=common | headers, media_type="application/json; charset=utf-8"
    )


def _check_project(route: Route, predictor: Predictor) -> None:
    try:
        asked = str(uuid.UUID(route.project))
    except ValueError:
        raise ServingError(
            f"Expected the project's id, a UUID, received {route.project!r}. "
            "Copy it from the prediction URL.",
            code="BadRequestInvalidIds",
            status=400,
        ) from None
    known = predictor.catalogue.project_id
    if known is not None and asked != known:
        raise ServingError(
            f"There is no project {asked} here; this service answers for {known}.",
            code="NotFoundProject",
            status=404,
        )
    if route.task != "classify":
        raise ServingError(
            "Invalid project type for operation: this project classifies images. Call "
            ".../classify/iterations/... in place of .../detect/iterations/...",
            code="BadRequestOperationNotSupported",
            status=400,
        )


def _raw_path(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    return raw.split(b"?")[0].decode("latin-1") if raw else quote(scope["path"])
