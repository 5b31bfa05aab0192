"""BentoML's service with the application of `app.py` in front, and the guard of connections before that.

What is used beyond documented interfaces: of BentoML here and in `bentoml_support.py`, of uvicorn here and in
`http/guard.py`. A test says when a version changes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from bentoml import Service
from uvicorn.config import HTTP_PROTOCOLS

from dahlia.errors import ConfigError
from dahlia.http.connections import Connections, most_files
from dahlia.http.guard import guarded
from dahlia.serving.bentoml_support import static_files
from dahlia.serving.openapi import Page, describe
from dahlia.serving.prediction_app import PredictionApp, ServiceState
from dahlia.settings.service import read_settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def _state() -> ServiceState:
    try:
        return ServiceState.of(read_settings())
    except ConfigError as error:  # BentoML imports this module, and would show a traceback
        raise SystemExit(f"{type(error).__name__}: {error}") from None


STATE = _state()
PROTOCOL = guarded("auto", Connections(STATE.settings.limits, most_files()), STATE.settings.origins)

_Inner = TypeVar("_Inner")
_PAGES = ("/docs.json", "/schema.json", "/healthz", "/livez", "/readyz", "/metrics")


class RoutedService(Service[_Inner]):  # type: ignore[misc]
    """A BentoML service behind a `PredictionApp`, whose state is `STATE`."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The application, `PredictionApp` first.

        A worker of BentoML asks for it, and then starts uvicorn with the protocol of its choice, `auto`.
        """
        HTTP_PROTOCOLS["auto"] = f"{__name__}:PROTOCOL"
        self.inject_config()
        return PredictionApp(application_of(self, is_main=is_main), STATE, (*_PAGES, *_assets()))

    @property
    def openapi_spec(self) -> Page:
        """What answers, for the page at `/` and for the Bento."""
        return describe(super().openapi_spec.asdict())


def application_of(service: Any, *, is_main: bool) -> ASGIApp:
    """A service's own application, without BentoML's timeout for requests.

    Its timers keep what a request had until they end, 5 KB each: 3 GB after two minutes of many.
    """
    from _bentoml_impl.server.app import ServiceAppFactory  # type: ignore[import-untyped]

    factory = ServiceAppFactory(service, is_main=is_main)
    factory.timeout = None
    application: ASGIApp = factory()
    return application


def _assets() -> list[str]:
    # One by one, as BentoML counts what is asked for below their folder, whether it is there or not.
    folder = static_files()
    assert folder is not None
    return [f"/{folder.name}/{path.name}" for path in folder.iterdir()]
