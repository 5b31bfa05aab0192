"""BentoML's service with the door before it, and the guard before that.

What is used of BentoML and uvicorn beyond their documented interfaces is used here and in `http/guard.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from _bentoml_sdk import Service  # type: ignore[import-untyped]
from bentoml._internal import server
from uvicorn.config import HTTP_PROTOCOLS

from dahlia.serving.http.connections import Connections
from dahlia.serving.http.door import Desk, Door
from dahlia.serving.http.guard import guarded
from dahlia.serving.http.limits import most_files
from dahlia.serving.http.openapi import Page, describe
from dahlia.serving.settings import read_settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

DESK = Desk.of(read_settings())
PROTOCOL = guarded("auto", Connections(DESK.settings.limits, most_files()), DESK.settings.origins)

_Inner = TypeVar("_Inner")
_PAGES = ("/docs.json", "/schema.json", "/healthz", "/livez", "/readyz", "/metrics")


class FrontedService(Service[_Inner]):  # type: ignore[misc]
    """A BentoML service behind a `Door`, which stands at `DESK`."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The application, door first.

        A worker of BentoML asks for it, and then starts uvicorn with the protocol of its choice, `auto`.
        """
        from _bentoml_impl.server.app import ServiceAppFactory  # type: ignore[import-untyped]

        HTTP_PROTOCOLS["auto"] = f"{__name__}:PROTOCOL"
        self.inject_config()
        factory = ServiceAppFactory(self, is_main=is_main)
        # Its timers keep what a request had until they end, 5 KB each: 3 GB after two minutes of many.
        factory.timeout = None
        return Door(factory(), DESK, (*_PAGES, *_assets()))

    @property
    def openapi_spec(self) -> Page:
        """What answers, for the page at `/` and for the Bento."""
        return describe(super().openapi_spec.asdict())


def _assets() -> list[str]:
    # One by one, as BentoML counts what is asked for below their folder, whether it is there or not.
    folder = Path(server.__file__).parent / "static_content"
    return [f"/{folder.name}/{path.name}" for path in folder.iterdir()]
