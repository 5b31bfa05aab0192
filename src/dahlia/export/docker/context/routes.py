"""Which path asks for what, and how it is answered: as by Custom Vision's cloud, or its exported containers.

    POST /image   /PROJECT/image   /PROJECT/classify/iterations/NAME/image   and the same with url
    POST /customvision/...                                                        see `paths.py`

All may end in `/nostore`; nothing is stored anyway. Segments match without regard to case, and repeated
slashes count as one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from starlette.responses import JSONResponse, PlainTextResponse, Response

from dahlia.errors import ServiceError
from dahlia.http.paths import parse_route as parse_cloud_route
from dahlia.http.paths import raw_path
from dahlia.http.replies import closing, new_id, refusal, reply, timestamp

if TYPE_CHECKING:
    from starlette.types import Scope

    from dahlia.export.docker.context.model import Model

_TASK = r"(?P<task>classify|detect)/+iterations/+[^/]+/+"
_END = r"(?P<what>image|url)(?:/+nostore)?/*"
_CONTAINER = re.compile(rf"/+(?:(?P<project>[^/]+)/+(?:{_TASK})?)?{_END}", re.IGNORECASE)


@dataclass(frozen=True)
class Route:
    """What a path asks for.

    Attributes:
        manner: whose answers and errors the client expects: those of the cloud, or of an exported container.
        project: as the client wrote it.
        task: `classify` where the path names none.
        what: where the image is: in the body, or at an address in the body.
        version: of the cloud's API.
    """

    manner: Literal["cloud", "container"]
    project: str
    task: str
    what: str
    version: str = ""


def parse_route(scope: Scope) -> Route | None:
    """Match a request; None for a prediction route that there is not."""
    if scope["method"] != "POST":
        return None
    if cloud := parse_cloud_route(scope):
        return Route("cloud", cloud.project, cloud.task, cloud.what, cloud.version)
    if match := _CONTAINER.fullmatch(raw_path(scope)):
        task = (match["task"] or "classify").lower()
        return Route("container", unquote(match["project"] or ""), task, match["what"].lower())
    return None


def answer(route: Route, model: Model, probabilities: Sequence[float]) -> Response:
    """The answer that the route's clients expect."""
    if route.manner == "cloud":
        return reply(_of_cloud(model, probabilities), 200, route.version)
    return JSONResponse(_of_container(model, probabilities))


def refuse(route: Route, error: ServiceError) -> Response:
    """The error that the route's clients expect."""
    if route.manner == "cloud" or error.status in (401, 403, 429):
        return refusal(error, route.version)
    status = 500 if route.what == "image" else 200
    return PlainTextResponse(f"Error processing image: {error}", status, closing(error))


def _of_cloud(model: Model, probabilities: Sequence[float]) -> dict[str, object]:
    scored = sorted(zip(model.tags, probabilities, strict=True), key=lambda one: -one[1])
    return {
        "id": new_id(),
        "project": model.project_id,
        "iteration": model.iteration,
        "created": timestamp(datetime.now(UTC)),
        "predictions": [
            {"probability": probability, "tagId": tag.id, "tagName": tag.name, "tagType": tag.type}
            for tag, probability in scored
        ],
    }


def _of_container(model: Model, probabilities: Sequence[float]) -> dict[str, object]:
    return {
        "id": "",
        "project": "",
        "iteration": "",
        "created": datetime.now(UTC).replace(tzinfo=None).isoformat(),
        "predictions": [
            {"tagName": tag.name, "probability": round(probability, 8), "tagId": "", "boundingBox": None}
            for tag, probability in zip(model.tags, probabilities, strict=True)
        ],
    }
