"""What is used of BentoML beyond its documented interfaces; a test says when a version changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def application_of(service: Any, *, is_main: bool) -> ASGIApp:
    """A service's own application, without BentoML's timeout for requests.

    Its timers keep what a request had until they end, 5 KB each: 3 GB after two minutes of many.
    """
    from _bentoml_impl.server.app import ServiceAppFactory  # type: ignore[import-untyped]

    factory = ServiceAppFactory(service, is_main=is_main)
    factory.timeout = None
    application: ASGIApp = factory()
    return application
