"""The web application: who may ask, how many at once, and what becomes of a request."""

from __future__ import annotations

import hmac
import json
import uuid
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response

from dahlia.errors import ImageError, ServingError
from dahlia.export.docker.context.answers import answer, gateway_refusal, no_such_route, refusal
from dahlia.export.docker.context.fetch import fetch
from dahlia.export.docker.context.routes import Route, parse_route
from dahlia.serving.body import Disconnected, image_of, read_body

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from dahlia.export.docker.context.model import Model
    from dahlia.export.docker.context.settings import Settings

KEY_HEADERS = ("prediction-key", "training-key", "ocp-apim-subscription-key")
MAX_CONCURRENCY = 64
UPLOAD_SECONDS = 60

_CODES = {"zero-byte": "BadRequestImageStream", "decompression-bomb": "BadRequestImageDimensions"}


class Door:
    """The ASGI application around one model."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self._model = model
        self._settings = settings
        self._inside = 0
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        route = parse_route(scope)
        response = self._look(scope) if route is None else self._refuse(Headers(scope=scope))
        if response is None and route is not None:
            self._inside += 1
            try:
                response = await self._predict(route, scope, receive)
            except ServingError as error:
                response = refusal(route, error)
            except Disconnected:
                return
            finally:
                self._inside -= 1
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

    def _refuse(self, headers: Headers) -> Response | None:
        key = (self._settings.key or "").encode()
        given = [headers[name].encode("latin-1") for name in KEY_HEADERS if name in headers]
        if key and not any(hmac.compare_digest(one, key) for one in given):
            return gateway_refusal(
                401, "Access denied due to an invalid or missing key. Send the header Prediction-Key."
            )
        if self._inside >= MAX_CONCURRENCY:
            return gateway_refusal(
                429,
                "More predictions are under way than this server admits. Ask again in 1 second.",
                **{"retry-after": "1"},
            )
        return None

    async def _predict(self, route: Route, scope: Scope, receive: Receive) -> Response:
        headers = Headers(scope=scope)
        body = await _upload(receive, headers)
        _check(route)
        if route.what == "url":
            image = await fetch(_address(body), self._settings.reach)
        else:
            image = image_of(body, headers.get("content-type", ""))
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._settings.threads)
        try:
            scores = await anyio.to_thread.run_sync(self._model.predict, image, limiter=self._limiter)
        except ImageError as error:
            code = _CODES.get(error.code, "BadRequestImageFormat")
            raise ServingError(str(error), code=code, status=400) from error
        return answer(route, self._model, scores)


async def _upload(receive: Receive, headers: Headers) -> bytes:
    try:
        with anyio.fail_after(UPLOAD_SECONDS):
            return await read_body(receive, headers)
    except TimeoutError:
        raise ServingError(
            f"Expected the whole request within {UPLOAD_SECONDS} seconds, received a part of it. Send a "
            "smaller photo.",
            code="BadRequestImageStream",
            status=408,
        ) from None


def _check(route: Route) -> None:
    if route.manner == "cloud":
        try:
            uuid.UUID(route.project)
        except ValueError:
            raise ServingError(
                f"Expected a project's id, a UUID, received {route.project!r}. Copy it from the prediction "
                "URL.",
                code="BadRequestInvalidIds",
                status=400,
            ) from None
    if route.task != "classify":
        raise ServingError(
            "Invalid project type for operation: this model classifies images. Call "
            ".../classify/iterations/... in place of .../detect/iterations/...",
            code="BadRequestOperationNotSupported",
            status=400,
        )


def _address(body: bytes) -> str:
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    keys = {key.lower(): value for key, value in given.items()} if isinstance(given, dict) else {}
    if not isinstance(keys.get("url"), str):
        raise ServingError(
            'Expected JSON such as {"url": "https://example.com/photo.jpg"}, received something else. To '
            "send the photo itself, POST it to the same path with image in place of url.",
            code="BadRequestImageUrl",
            status=400,
        )
    return str(keys["url"])
