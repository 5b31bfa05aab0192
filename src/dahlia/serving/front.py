"""BentoML's service with the door before it, and the guard before that.

What is used beyond documented interfaces: of BentoML in `bentoml_internals.py`, of uvicorn here and in
`http/guard.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bentoml import Service
from uvicorn.config import HTTP_PROTOCOLS

from dahlia.serving.bentoml_files import static_files
from dahlia.serving.bentoml_internals import application_of
from dahlia.serving.http.connections import Connections
from dahlia.serving.http.door import Desk, Door
from dahlia.serving.http.guard import guarded
from dahlia.serving.http.limits import most_files
from dahlia.serving.http.openapi import Page, describe
from dahlia.settings.service import read_settings

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
        HTTP_PROTOCOLS["auto"] = f"{__name__}:PROTOCOL"
        self.inject_config()
        return Door(application_of(self, is_main=is_main), DESK, (*_PAGES, *_assets()))

    @property
    def openapi_spec(self) -> Page:
        """What answers, for the page at `/` and for the Bento."""
        return describe(super().openapi_spec.asdict())


def _assets() -> list[str]:
    # One by one, as BentoML counts what is asked for below their folder, whether it is there or not.
    folder = static_files()
    assert folder is not None
    return [f"/{folder.name}/{path.name}" for path in folder.iterdir()]
