"""The routes of the prediction API, before the router: they are called most, and a path may hold any name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from dahlia.errors import DahliaError, ServingError
from dahlia.server.contract.errors import ServiceError
from dahlia.server.http.access import allow
from dahlia.server.http.known_faults import is_known
from dahlia.server.http.replies import KNOWN_FAULTS
from dahlia.server.http.replies import refuse as refused
from dahlia.server.images.own_links import Web
from dahlia.server.keys.cache import KnownKeys
from dahlia.server.keys.scopes import Scope as KeyScope
from dahlia.server.predictions.filters import check_application
from dahlia.serving.http.body import Disconnected
from dahlia.serving.http.contract import handle
from dahlia.serving.http.lingering import Incoming, refuse
from dahlia.serving.http.paths import Route, parse_id, parse_route
from dahlia.serving.http.query import query_of
from dahlia.serving.http.replies import REQUEST, refusal

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from dahlia.server.context import Server
    from dahlia.server.predictions.desk import PredictionDesk

_MEGABYTE = 1024 * 1024

_logger = logging.getLogger("dahlia.server")


class Predictions:
    """ASGI application: answers predictions, and hands everything else on.

    Args:
        app: what is behind it.
        server: knows the keys.
        desk: computes predictions.
    """

    def __init__(self, app: ASGIApp, server: Server, desk: PredictionDesk) -> None:
        self._app = app
        self._server = server
        self._desk = desk
        self._keys = KnownKeys(server)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = parse_route(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        incoming = Incoming(receive)
        try:
            response = await self._answer(scope, incoming, route)
        except Disconnected:
            return
        except DahliaError as error:
            await refuse(self._refusal(error, route), scope, incoming, send, error)
            return
        finally:
            self._desk.meters.under_way(self._desk.admission.predictions)
        await response(scope, incoming, send)

    async def _answer(self, scope: Scope, receive: Incoming, route: Route) -> Response:
        headers = Headers(scope=scope)
        access = await self._keys.identify(headers, scope.get("query_string", b""))
        allow(access, KeyScope.PREDICTION, parse_id(route.project, "project"))
        settings = self._server.settings
        stored, other = settings.rates.predictions_stored, settings.rates.predictions
        kind = "predictions, stored" if route.keep else "predictions"
        self._server.rates.take(access.key_id, kind, stored if route.keep else other)
        self._desk.admission.enter(headers)
        check_application(query_of(scope).get("application"))
        most = int(settings.limits.max_prediction_mb * _MEGABYTE)
        bring = Web(self._server, headers.get("host", "")).bring
        return await handle(scope, receive, route, self._desk.predictor, self._desk.admission, bring, most)

    def _refusal(self, error: DahliaError, route: Route) -> Response:
        known = (
            error
            if isinstance(error, ServingError | ServiceError)
            else ServiceError("ErrorPrediction", str(error))
        )
        self._desk.meters.refused(known.code)
        if isinstance(known, ServiceError) and is_known(known):
            KNOWN_FAULTS.log(f"Request {REQUEST.get()}, a prediction", known)
        else:
            level = logging.ERROR if known.status >= 500 else logging.INFO
            _logger.log(
                level, "Request %s, a prediction: %d, %s. %s", REQUEST.get(), known.status, known.code, known
            )
        return (
            refused(known, route.version)
            if isinstance(known, ServiceError)
            else refusal(known, route.version)
        )
