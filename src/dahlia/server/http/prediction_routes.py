"""The routes of the prediction API, before the router: they are called most, and a path may hold any name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from dahlia.errors import DahliaError, ServiceError
from dahlia.http.body import Disconnected
from dahlia.http.parameters import query_of
from dahlia.http.paths import Route, parse_id, parse_route
from dahlia.http.replies import refusal
from dahlia.server.http.access import allow
from dahlia.server.http.replies import log_refusal
from dahlia.server.images.own_links import Web
from dahlia.server.keys.cache import KnownKeys
from dahlia.server.keys.scopes import Scope as KeyScope
from dahlia.server.predictions.queries import check_application
from dahlia.serving.prediction_api import handle

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from dahlia.server.context import Server
    from dahlia.server.predictions.service import PredictionService

_MEGABYTE = 1024 * 1024


class PredictionRoutes:
    """ASGI application: answers predictions, and hands everything else on.

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
