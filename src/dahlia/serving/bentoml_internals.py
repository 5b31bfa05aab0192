"""What is used of BentoML beyond its documented interfaces; a test says when a version changes it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def static_files() -> Path | None:
    """The folder of Swagger UI's files, found without the seconds that importing BentoML takes.

    Returns:
        None where BentoML is not installed.
    """
    found = importlib.util.find_spec("bentoml")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "_internal" / "server" / "static_content"


def application_of(service: Any, *, is_main: bool) -> ASGIApp:
    """A service's own application, without BentoML's timeout for requests.

    Its timers keep what a request had until they end, 5 KB each: 3 GB after two minutes of many.
    """
    from _bentoml_impl.server.app import ServiceAppFactory  # type: ignore[import-untyped]

    factory = ServiceAppFactory(service, is_main=is_main)
    factory.timeout = None
    application: ASGIApp = factory()
    return application
