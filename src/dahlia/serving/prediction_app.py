"""The application in front of BentoML: routing, the key, how much is taken on, and the size of bodies.

Its page at `/` is Swagger UI on what `/docs.json` says. BentoML brings Swagger UI along. Its own page would
also load a script of an advertiser, which hears of everybody who looks at it; this one asks no other server
for anything, and tells the browser so.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse

from dahlia import __version__
from dahlia.errors import ServiceError
from dahlia.http.admission import Admission
from dahlia.http.body import Disconnected, read_body, with_body
from dahlia.http.fetch import fetch
from dahlia.http.lingering import Lingering
from dahlia.http.origins import CrossOrigin, Policy
from dahlia.http.paths import Route, is_contract, is_prediction, parse_route, raw_path
from dahlia.http.replies import REQUEST, identified, no_such_route, refusal, wrong_method
from dahlia.serving.bentoml_support import read_form, write_form
from dahlia.serving.drawing import DRAW, EXPLAIN, Drawer, view_of
from dahlia.serving.models.runtimes import require_installed
from dahlia.serving.prediction_api import handle
from dahlia.settings.service import ORIGINS

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from dahlia.serving.explanation import Explainer
    from dahlia.serving.prediction_api import Predictor
    from dahlia.settings.service import ServiceSettings

SECONDS = 120.0  # more than a body and a fetched image may take, whose own errors say more
PREDICT = "/predict"
PREDICT_BATCH = "/predict_batch"
INFO = "/info"
_FIELDS = {PREDICT: "image", PREDICT_BATCH: "images"}
_ASSETS = "./static_content"
_PAGE = f"""\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Dahlia: predictions</title>
    <link rel="stylesheet" href="{_ASSETS}/swagger-ui.css">
    <style>body {{ margin: 0; }} .topbar {{ display: none; }}</style>
    <link rel="icon" href="data:,">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="{_ASSETS}/swagger-ui-bundle.js" charset="utf-8"></script>
    <script src="{_ASSETS}/swagger-ui-standalone-preset.js" charset="utf-8"></script>
    <script src="{_ASSETS}/swagger-initializer.js" charset="utf-8"></script>
  </body>
</html>
"""
_POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"

_logger = logging.getLogger("bentoml.dahlia")


@dataclass
class ServiceState:
    """The settings, and what answers, which exists only once the service has started."""

    settings: ServiceSettings
    pages: Policy
    admission: Admission
    predictor: Predictor | None = None
    explainer: Explainer | None = None

    @classmethod
    def of(cls, settings: ServiceSettings) -> ServiceState:
        """The state for these settings, without a predictor.

        Raises:
            ConfigError: the runtime that they name is not installed.
        """
        require_installed(settings.runtime)
        pages = Policy(settings.origins, "POST", ORIGINS)
        return cls(settings, pages, Admission(settings.key, settings.max_concurrency, pages=pages))


class PredictionApp:
    """ASGI application: answers the Custom Vision routes itself, and guards what BentoML answers.

    BentoML's own layers would cost a prediction about 0.3 ms, and they count requests by path: a path that
    nobody serves would stay in the metrics for ever. So only what is known passes.

    Args:
        app: the BentoML application behind it.
        state: the settings, and the predictor once there is one.
        known: the paths that the application has, besides those that are guarded.
    """

    def __init__(self, app: ASGIApp, state: ServiceState, known: Collection[str]) -> None:
        self._app = app
        self._state = state
        self._known = frozenset(known)
        self._pages = Lingering(CrossOrigin(self._serve, self._policy))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        await self._pages(scope, receive, identified(send))

    def _policy(self, scope: Scope) -> Policy | None:
        return self._state.pages if scope["path"] in _FIELDS or is_contract(scope) else None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = parse_route(scope)
        if route or (scope["path"] in _FIELDS and scope["method"] == "POST"):
            await self._guarded(scope, receive, send, route)
        elif scope["path"] == "/" and scope["method"] in ("GET", "HEAD"):
            await HTMLResponse(_PAGE, headers={"content-security-policy": _POLICY})(scope, receive, send)
        elif scope["path"] == INFO and scope["method"] in ("GET", "HEAD"):
            await JSONResponse({"version": __version__, "published": self._served()})(scope, receive, send)
        elif scope["path"] in self._known:
            await self._inner(scope, receive, send)
        else:
            answer = wrong_method() if is_prediction(scope) else no_such_route()
            await answer(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, route: Route | None) -> None:
        state = self._state
        try:
            state.admission.enter(Headers(scope=scope), scope.get("query_string", b""))
            if route is not None:
                response = await handle(scope, receive, route, self._predictor, state.admission, self._bring)
                await response(scope, receive, send)
            elif (view := view_of(scope)) and scope["path"] == PREDICT_BATCH:
                raise _one_photo(view)
            elif view == DRAW:
                response = await Drawer(self._predictor).answer(scope, receive, state.admission)
                await response(scope, receive, send)
            elif view == EXPLAIN:
                response = await self._explainer.answer(scope, receive, state.admission)
                await response(scope, receive, send)
            else:
                await self._pass(scope, receive, send)
        except ServiceError as error:
            self._log(scope, error)
            await refusal(error, route.version if route else "")(scope, receive, send)
        except Disconnected:
            return
        finally:
            if state.predictor:
                state.predictor.metrics.under_way(state.admission.predictions)

    def _log(self, scope: Scope, error: ServiceError) -> None:
        predictor = self._state.predictor
        if predictor:
            predictor.metrics.refused(error.code)
        _logger.info(
            "Request %s to %s: %d, %s. %s", REQUEST.get(), raw_path(scope), error.status, error.code, error
        )

    async def _bring(self, url: str, *, most: int) -> bytes:
        settings = self._state.settings
        return await fetch(url, settings.url_fetch, most, settings.url_fetch_allow)

    def _served(self) -> list[dict[str, Any]]:
        return self._state.predictor.served() if self._state.predictor else []

    @property
    def _predictor(self) -> Predictor:
        return self._state.predictor or _starting()

    @property
    def _explainer(self) -> Explainer:
        return self._state.explainer or _starting()

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        admission = self._state.admission
        with admission.body() as hold:
            body = await read_body(receive, headers, hold)
            field = _FIELDS[scope["path"]]
            several = field == _FIELDS[PREDICT_BATCH]
            form = read_form(body, headers.get("content-type", ""), field, several=several)
            body, content_type = write_form(form, field)
            with admission.prediction():
                await self._inner(*with_body(scope, receive, body, content_type), send)

    async def _inner(self, scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.move_on_after(SECONDS) as limit:

            async def sending(message: Message) -> None:
                limit.deadline = math.inf
                await send(message)

            await self._app(scope, receive, sending)
        if limit.cancelled_caught:
            await refusal(_late())(scope, receive, send)


def _one_photo(view: str) -> ServiceError:
    return ServiceError(
        "BadRequestInvalid",
        f"Expected {view}=true with {PREDICT}, which is for one photo; received it with {PREDICT_BATCH}. "
        f"Send the photos one by one to {PREDICT}?{view}=true, or leave {view} out.",
    )


def _starting() -> NoReturn:
    raise ServiceError(
        "ErrorPredictionServiceUnavailable", "The service is starting. Ask again in a second.", status=503
    )


def _late() -> ServiceError:
    return ServiceError(
        "ErrorServerTimeOut",
        f"Expected an answer within {SECONDS:g} seconds, and there was none. Ask again, or ask for less.",
        status=504,
    )
