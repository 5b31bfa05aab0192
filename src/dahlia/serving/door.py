"""What stands before every prediction: routing, the key, the number of clients, the size of bodies."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from dahlia.errors import ServingError
from dahlia.serving.body import Disconnected, image_of, is_multipart, read_body
from dahlia.serving.contract import handle
from dahlia.serving.paths import Route, is_contract, parse_route, raw_path
from dahlia.serving.replies import REQUEST, identified, no_such_route, refusal, refusal_at_door

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from dahlia.serving.predictor import Predictor
    from dahlia.serving.settings import Settings

PREDICT = "/predict"

_logger = logging.getLogger("bentoml.dahlia")


@dataclass
class Desk:
    """Where the door finds the predictor, which exists only once the service has started."""

    settings: Settings
    predictor: Predictor | None = None


class Door:
    """ASGI middleware: answers the Custom Vision routes itself, and guards `POST /predict`.

    Args:
        app: the BentoML application behind it.
        desk: the settings, and the predictor once there is one.
    """

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app = app
        self._desk = desk
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = identified(send)
        route = parse_route(scope)
        if route or (scope["path"] == PREDICT and scope["method"] == "POST"):
            await self._guarded(scope, receive, send, route)
        elif is_contract(scope):
            await no_such_route()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, route: Route | None) -> None:
        settings = self._desk.settings
        refused = refusal_at_door(Headers(scope=scope), settings.key, self._inside, settings.max_concurrency)
        if refused:
            _logger.info("Request %s to %s: %d.", REQUEST.get(), raw_path(scope), refused.status_code)
            await refused(scope, receive, send)
            return
        self._inside += 1
        try:
            if route is None:
                await self._app(scope, await self._checked(scope, receive), send)
            else:
                response = await handle(scope, receive, route, self._predictor, settings.url_fetch)
                await response(scope, receive, send)
        except ServingError as error:
            _logger.info(
                "Request %s to %s: %d, %s. %s",
                REQUEST.get(),
                raw_path(scope),
                error.status,
                error.code,
                error,
            )
            await refusal(error, route.version if route else "")(scope, receive, send)
        except Disconnected:
            return
        finally:
            self._inside -= 1

    @property
    def _predictor(self) -> Predictor:
        if self._desk.predictor is None:
            raise ServingError(
                "The service is starting. Ask again in a second.",
                code="ErrorPredictionServiceUnavailable",
                status=503,
            )
        return self._desk.predictor

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        headers = Headers(scope=scope)
        content_type = headers.get("content-type", "")
        body = await read_body(receive, headers)
        # BentoML would fetch a URL that stands where a file is expected, so only files pass.
        if not is_multipart(content_type):
            raise ServingError(
                f"Expected multipart/form-data with the file in the field image, received {content_type!r}.",
                code="UnsupportedMediaType",
                status=415,
            )
        image_of(body, content_type, "image", as_file=True)
        return _replay(body, receive)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
