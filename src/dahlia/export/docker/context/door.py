"""The web application: who may ask, how many at once, and what becomes of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response

from dahlia.errors import ImageError, ServingError
from dahlia.export.docker.context.answers import answer, refuse
from dahlia.export.docker.context.routes import Route, parse_route
from dahlia.export.docker.context.settings import ORIGINS
from dahlia.serving.http.admission import Admission
from dahlia.serving.http.body import Disconnected, address_of, image_of, read_body
from dahlia.serving.http.cross_origin import CrossOrigin, Policy
from dahlia.serving.http.fetch import fetch
from dahlia.serving.http.form_images import TO_IMAGE, refuse_image
from dahlia.serving.http.paths import check_task, parse_id
from dahlia.serving.http.query import query_of
from dahlia.serving.http.replies import identified, no_such_route, refused_image

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from dahlia.export.docker.context.model import Model
    from dahlia.export.docker.context.settings import Settings

MAX_CONCURRENCY = 64


class Door:
    """The ASGI application around one model."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self._model = model
        self._settings = settings
        pages = Policy(settings.origins, "GET, HEAD, POST", ORIGINS)
        self._admission = Admission(settings.key, MAX_CONCURRENCY, pages=pages)
        self._pages = CrossOrigin(self._serve, lambda _: pages)
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
        except ServingError as error:
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
            check_task(route.task)
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
                return answer(route, self._model, await self._scores(image))

    async def _scores(self, image: bytes) -> list[float]:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._settings.threads)
        try:
            return await anyio.to_thread.run_sync(self._model.predict, image, limiter=self._limiter)
        except ImageError as error:
            raise refused_image(error) from error
