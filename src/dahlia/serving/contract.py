"""The Custom Vision prediction API: from a request to its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.datastructures import Headers

from dahlia.errors import ServingError
from dahlia.serving.body import address_of, image_of, read_body
from dahlia.serving.fetch import Reach, fetch
from dahlia.serving.paths import Route, check_task, parse_id
from dahlia.serving.replies import reply

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope

    from dahlia.serving.predictor import Predictor


async def handle(
    scope: Scope, receive: Receive, route: Route, predictor: Predictor, reach: Reach
) -> Response:
    """Answer a prediction.

    Args:
        scope: the request.
        receive: gives its body.
        route: what its path asks for.
        predictor: the models.
        reach: from where images may be fetched.

    Raises:
        ServingError: it is refused.
        Disconnected: the client went away.
    """
    headers = Headers(scope=scope)
    query = _query(scope)
    body = await read_body(receive, headers)
    _check(route, predictor)
    if route.name is None:  # v1 and v2
        name = predictor.name_of(query.get("iterationid"))
    else:
        name, _ = predictor.choose(route.name)
    if route.what == "url":
        image = await fetch(address_of(body), reach)
    else:
        image = image_of(body, headers.get("content-type", ""))
    result = await predictor.predict(name, image, keep=route.keep, application=query.get("application"))
    return reply(result.model_dump(), 200, route.version)


def _query(scope: Scope) -> dict[str, str]:
    pairs = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
    return {name.lower(): value for name, value in reversed(pairs)}


def _check(route: Route, predictor: Predictor) -> None:
    asked = parse_id(route.project, "project")
    known = predictor.catalogue.project_id
    if known is not None and asked != known:
        raise ServingError(
            f"There is no project {asked} here; this service answers for {known}.",
            code="NotFoundProject",
            status=404,
        )
    check_task(route.task)
