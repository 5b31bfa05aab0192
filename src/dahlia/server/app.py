"""The application: ids for requests, bounds, one spelling of paths, and the routers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import FastAPI

import dahlia
from dahlia.http.cross_origin import CrossOrigin
from dahlia.http.lingering import Lingering
from dahlia.server.api import (
    exports,
    files,
    image_labels,
    image_uploads,
    images,
    iterations,
    metrics,
    performance,
    predictions,
    projects,
    quick_tests,
    suggestions,
    tags,
)
from dahlia.server.api.own import audit, explanations, info, jobs, keys, reports
from dahlia.server.api.own import projects as own_projects
from dahlia.server.host_names import HostNames
from dahlia.server.http import page, replies
from dahlia.server.http.middleware import Bounded, HeadAsGet, HostsAllowed, Identified, policies
from dahlia.server.http.paths import OneSpelling, WordsOfV1
from dahlia.server.http.prediction_routes import PredictionRoutes
from dahlia.server.iterations.main_figures import MainFiguresCache
from dahlia.server.iterations.performance_answers import stored_predictions
from dahlia.server.iterations.performance_cache import PerformanceCache
from dahlia.server.predictions.service import PredictionService

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dahlia.server.context import Server

_ABOUT = """The Custom Vision training API, version 3.4-preview; 1.0 to 3.3 answer at their own paths.
Segments match without regard to case, repeated slashes count as one.

Operations below `/dahlia/v1` are Dahlia's own.

Every operation needs a key, in the header `Training-Key`, `Prediction-Key` or `Ocp-Apim-Subscription-Key`.
Every answer has an id (`apim-request-id`), which is also in the server's log and its audit log.

Errors are `{"code", "message"}`; those about the key (401) and about too many requests (429) are nested, as
`{"error": {"code", "message"}}`, and unknown paths give `{"statusCode", "message"}`."""
_ROUTERS = (
    projects.domains,
    projects.router,
    tags.router,
    image_uploads.router,
    image_labels.router,
    images.router,
    iterations.training,
    iterations.router,
    performance.router,
    exports.router,
    files.artifacts,
    files.router,
    predictions.router,
    quick_tests.router,
    suggestions.router,
    own_projects.router,
    reports.router,
    explanations.router,
    info.router,
    keys.router,
    audit.router,
    jobs.router,
    metrics.router,
)


def create_app(server: Server) -> ASGIApp:
    """The application of a server.

    Raises:
        ConfigError: its secret is missing, or another than before.
    """
    server.signing.load()
    service = PredictionService(server)
    api = FastAPI(
        title="Dahlia",
        version=dahlia.__version__,
        description=_ABOUT,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(server, service),
    )
    api.state.server, api.state.predictions = server, service
    api.state.figures = MainFiguresCache(server.storage)
    api.state.performances = PerformanceCache(lambda iteration: stored_predictions(server.storage, iteration))
    replies.install(api)
    page.install(api)
    routers = (page.router, *_ROUTERS)
    api.state.operations = [route for router in routers for route in router.routes]
    # `include_router` makes each route a second time at the first request, which then takes a second.
    api.router.routes += api.state.operations
    behind = PredictionRoutes(OneSpelling(WordsOfV1(Bounded(api))), server, service)
    pages = CrossOrigin(HeadAsGet(behind), policies(server.settings.security))
    return Identified(Lingering(HostsAllowed(pages, HostNames.of(server.settings.server))))


def _lifespan(
    server: Server, service: PredictionService
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = server.settings.server.threads
        service.open()
        yield
        service.close()

    return lifespan
