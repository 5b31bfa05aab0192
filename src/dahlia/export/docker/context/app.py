"""A model behind HTTP, a classifier or a detector. Run `python app.py`, then post a photo to `/image`.

`/image` and `/url` answer as the containers that Custom Vision exports;
`/customvision/v3.1/prediction/...` answers as its cloud does, so its client libraries work when they are
given this server's address.

    POST /image   /PROJECT/image   /PROJECT/classify/iterations/NAME/image   and the same with url
    POST /customvision/...                                                        see `paths.py`

`detect` stands for `classify` where the model detects. All may end in `/nostore`; nothing is stored anyway.
Segments match without regard to case, and repeated slashes count as one. `settings.py` lists what the
environment may set.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

import anyio
import anyio.to_thread
import uvicorn
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response

from dahlia.errors import DahliaError, ImageError, ServiceError
from dahlia.export.docker.context.answers import of_cloud, of_container
from dahlia.export.docker.context.model import Model, load_model
from dahlia.export.docker.context.readers import Scored
from dahlia.export.docker.context.settings import ORIGINS, Settings, read_settings
from dahlia.http.admission import Admission
from dahlia.http.body import Disconnected, address_of, image_of, read_body
from dahlia.http.connections import Connections, most_files
from dahlia.http.fetch import fetch
from dahlia.http.form_images import TO_IMAGE, refuse_image
from dahlia.http.guard import guarded
from dahlia.http.lingering import Lingering
from dahlia.http.origins import CrossOrigin, Policy
from dahlia.http.parameters import query_of
from dahlia.http.paths import check_task, parse_id, raw_path
from dahlia.http.paths import parse_route as parse_cloud_route
from dahlia.http.replies import (
    closing,
    identified,
    no_such_route,
    refusal,
    refused_image,
    reply,
)

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


MAX_CONCURRENCY = 64
_LAST_ANSWERS_SECONDS = 20  # what is under way when the server is told to end


def main() -> int:
    """Serve until SIGTERM; the exit code is 1 where the server cannot start."""
    try:
        settings = read_settings(os.environ)
        model = load_model(Path(__file__).parent)
        listener = _listen(settings)
    except DahliaError as error:
        print(error, file=sys.stderr)
        return 1
    host, port = listener.getsockname()[:2]
    if not settings.key:
        print("PREDICTION_KEY is not set: everyone who reaches the port may ask for predictions.")
    print(f"{model.project} listens on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    config = uvicorn.Config(
        Application(model, settings),
        loop="asyncio",
        http=guarded("h11", Connections(settings.limits, most_files()), settings.origins),
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ServiceError(
            "ErrorPredictionServiceUnavailable",
            f"Port {settings.port} of {settings.host} was expected to be free for this user "
            f"({error.strerror}). Set PORT to another, such as 8080.",
            status=503,
        ) from error


class Application:
    """The ASGI application around one model."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self._model = model
        self._settings = settings
        pages = Policy(settings.origins, "GET, HEAD, POST", ORIGINS)
        self._admission = Admission(settings.key, MAX_CONCURRENCY, pages=pages)
        self._pages = Lingering(CrossOrigin(self._serve, lambda _: pages))
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        await self._pages(scope, receive, identified(send))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = parse_route(scope)
        try:
            response = await self._predict(route, scope, receive) if route else self._look(scope)
        except ServiceError as error:
            response = refuse(route, error) if route else None
        except Disconnected:
            return
        await (response or no_such_route())(scope, receive, send)

    def _look(self, scope: Scope) -> Response | None:
        if scope["method"] not in ("GET", "HEAD"):
            return None
        if scope["path"] == "/healthz":
            return JSONResponse({"status": "ok", "iteration": self._model.iteration})
        if scope["path"] == "/":
            return PlainTextResponse(
                f"{self._model.project}: POST a photo to /image, or its address to /url.\n"
            )
        return None

    async def _predict(self, route: Route, scope: Scope, receive: Receive) -> Response:
        headers = Headers(scope=scope)
        admission = self._admission
        admission.enter(headers, scope.get("query_string", b""))
        with admission.body() as hold:
            body = await read_body(receive, headers, hold)
            if route.manner == "cloud":
                parse_id(route.project, "project")
                query_of(scope)
            check_task(route.task, self._model.task)
            content_type = headers.get("content-type", "")
            if route.what == "url":
                refuse_image(body, content_type, TO_IMAGE)
                with admission.fetch():
                    image = await fetch(
                        address_of(body, content_type), self._settings.reach, allowed=self._settings.allowed
                    )
            else:
                image = image_of(body, content_type, parameters=("application", "iterationId"))
            with admission.prediction():
                return answer(route, self._model, await self._found(image))

    async def _found(self, image: bytes) -> list[Scored]:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._settings.threads)
        try:
            work = partial(self._model.predict, image, lambda: self._admission.predictions == 1)
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        except ImageError as error:
            raise refused_image(error) from error


_TASK = r"(?P<task>classify|detect)/+iterations/+[^/]+/+"
_END = r"(?P<what>image|url)(?:/+nostore)?/*"
_CONTAINER = re.compile(rf"/+(?:(?P<project>[^/]+)/+(?:{_TASK})?)?{_END}", re.IGNORECASE)


@dataclass(frozen=True)
class Route:
    """What a path asks for.

    Attributes:
        manner: whose answers and errors the client expects: those of the cloud, or of an exported container.
        project: as the client wrote it.
        task: `classify` or `detect`; None where the path names none.
        what: where the image is: in the body, or at an address in the body.
        version: of the cloud's API.
    """

    manner: Literal["cloud", "container"]
    project: str
    task: str | None
    what: str
    version: str = ""


def parse_route(scope: Scope) -> Route | None:
    """Match a request; None for a prediction route that there is not."""
    if scope["method"] != "POST":
        return None
    if cloud := parse_cloud_route(scope):
        return Route("cloud", cloud.project, cloud.task, cloud.what, cloud.version)
    if match := _CONTAINER.fullmatch(raw_path(scope)):
        task = match["task"].lower() if match["task"] else None
        return Route("container", unquote(match["project"] or ""), task, match["what"].lower())
    return None


def answer(route: Route, model: Model, found: Sequence[Scored]) -> Response:
    """The answer that the route's clients expect."""
    if route.manner == "cloud":
        return reply(of_cloud(model, found), 200, route.version)
    return JSONResponse(of_container(found))


def refuse(route: Route, error: ServiceError) -> Response:
    """The error that the route's clients expect."""
    if route.manner == "cloud" or error.status in (401, 403, 429):
        return refusal(error, route.version)
    status = 500 if route.what == "image" else 200
    return PlainTextResponse(f"Error processing image: {error}", status, closing(error))


if __name__ == "__main__":
    sys.exit(main())
