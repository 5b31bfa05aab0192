"""The application: ids for requests, bounds, one spelling of paths, routers, predictions before them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import FastAPI
from starlette.datastructures import Headers

import dahlia
from dahlia.errors import DahliaError, ServiceError
from dahlia.http.body import Disconnected
from dahlia.http.lingering import Lingering
from dahlia.http.origins import CrossOrigin
from dahlia.http.parameters import query_of
from dahlia.http.paths import Route, parse_id, parse_route
from dahlia.http.replies import refusal
from dahlia.server.api import (
    image_changes,
    images,
    iterations,
    own_administration,
    own_projects,
    own_reports,
    performance,
    predictions,
    projects,
    proposals,
)
from dahlia.server.http import page, portal, replies
from dahlia.server.http.access import KnownKeys, allow
from dahlia.server.http.addresses import HostNames, Web
from dahlia.server.http.middleware import (
    Bounded,
    HeadAsGet,
    HostsAllowed,
    Identified,
    OneSpelling,
    WordsOfV1,
    policies,
)
from dahlia.server.http.replies import log_refusal
from dahlia.server.iterations.main_figures import MainFiguresCache
from dahlia.server.iterations.performance import stored_predictions
from dahlia.server.iterations.performance_cache import PerformanceCache
from dahlia.server.keys.keys import Scope as KeyScope
from dahlia.server.predictions.queries import check_application
from dahlia.server.predictions.service import PredictionService
from dahlia.serving.prediction_api import handle

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from dahlia.server.context import Server

_ABOUT = """The Custom Vision training API, version 3.4-preview; 1.0 to 3.3 answer at their own paths.
Segments match without regard to case, repeated slashes count as one.

Operations below `/dahlia/v1` are Dahlia's own.

Operations need a key, in the header `Training-Key`, `Prediction-Key` or `Ocp-Apim-Subscription-Key`.
Every answer has an id (`apim-request-id`), which is also in the server's log and its audit log.

Errors are `{"code", "message"}`; those about the key (401) and about too many requests (429) are nested, as
`{"error": {"code", "message"}}`, and unknown paths give `{"statusCode", "message"}`."""
_ROUTERS = (
    projects.domains,
    projects.router,
    projects.tags_router,
    image_changes.router,
    images.router,
    proposals.router,
    iterations.training,
    iterations.router,
    performance.router,
    iterations.exports,
    projects.artifacts,
    projects.files,
    predictions.router,
    predictions.quick_tests,
    performance.suggestions,
    own_reports.projects,
    own_projects.router,
    own_reports.router,
    own_reports.explanations,
    own_administration.router,
    own_projects.server_router,
    own_administration.keys,
    own_administration.sign_ins,
    own_administration.audit,
    own_administration.jobs,
    own_administration.metrics_router,
)
_MEGABYTE = 1024 * 1024
_Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(server: Server) -> ASGIApp:
    """The application of a server.

    Raises:
        ConfigError: its secret is missing, or another than before.
    """
    server.signing.load()
    service = PredictionService(server)
    api = new_api(_lifespan(server, service))
    api.state.server, api.state.predictions = server, service
    api.state.figures = MainFiguresCache(server.storage)
    api.state.performances = PerformanceCache(partial(stored_predictions, server.storage))
    replies.install(api)
    page.install(api)
    portal.install(api, server.settings.server)
    behind = PredictionRoutes(OneSpelling(WordsOfV1(Bounded(api))), server, service)
    pages = CrossOrigin(HeadAsGet(behind), policies(server.settings.security))
    return Identified(Lingering(HostsAllowed(pages, HostNames.of(server.settings.server))))


def new_api(lifespan: _Lifespan | None = None) -> FastAPI:
    """The operations of the API, which describe themselves; they answer once they have a server."""
    api = FastAPI(
        title="Dahlia",
        version=dahlia.__version__,
        description=_ABOUT,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    routers = (page.router, *_ROUTERS)
    api.state.operations = [route for router in routers for route in router.routes]
    for route in api.state.operations:
        route.operation_id = route.name
    # `include_router` makes each route a second time at the first request, which then takes a second.
    api.router.routes += api.state.operations
    return api


class PredictionRoutes:
    """ASGI application: answers predictions, and hands everything else on.

    It is before the router, since predictions are asked for most and their paths may hold any name.

    Args:
        app: what is behind it.
        server: knows the keys.
        service: computes predictions.
    """

    def __init__(self, app: ASGIApp, server: Server, service: PredictionService) -> None:
        self._app = app
        self._server = server
        self._service = service
        self._keys = KnownKeys(server)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = parse_route(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await self._answer(scope, receive, route)
        except Disconnected:
            return
        except DahliaError as error:
            response = self._refusal(error, route)
        finally:
            self._service.metrics.under_way(self._service.admission.predictions)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, route: Route) -> Response:
        headers = Headers(scope=scope)
        access = await self._keys.identify(headers, scope.get("query_string", b""))
        allow(access, KeyScope.PREDICTION, parse_id(route.project, "project"))
        settings = self._server.settings
        stored, other = settings.rates.predictions_stored, settings.rates.predictions
        kind = "predictions, stored" if route.keep else "predictions"
        self._server.rates.take(access.key_id, kind, stored if route.keep else other)
        self._service.admission.enter(headers)
        check_application(query_of(scope).get("application"))
        most = int(settings.limits.max_prediction_mb * _MEGABYTE)
        bring = Web(self._server, headers.get("host", "")).bring
        return await handle(
            scope, receive, route, self._service.predictor, self._service.admission, bring, most
        )

    def _refusal(self, error: DahliaError, route: Route) -> Response:
        if not isinstance(error, ServiceError):
            error = ServiceError("ErrorPrediction", str(error))
        self._service.metrics.refused(error.code)
        log_refusal("a prediction", error)
        return refusal(error, route.version)


def _lifespan(server: Server, service: PredictionService) -> _Lifespan:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = server.settings.server.threads
        service.open()
        yield
        service.close()

    return lifespan
