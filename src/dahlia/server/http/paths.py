"""One spelling for every path: clients send doubled slashes, `Training` and `training`, twelve versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dahlia.server.http.old_versions import present_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

VERSIONS = ("v1.0", "v1.1", "v1.2", "v2.0", "v2.1", "v2.2", "v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview")
TRAINING = "/customvision/v3.4-preview/training"
OWN = "/dahlia/v1"
"""Where the operations are that Custom Vision does not have."""
_ROUTE = re.compile(
    r"/+customvision/+(?P<version>v[\d.]+(?:-preview)?)/+training(?P<rest>/.*)?", re.IGNORECASE
)
_OWN_ROUTE = re.compile(r"/+dahlia/+v1(?P<rest>/.*)?", re.IGNORECASE)


class OneSpelling:
    """ASGI application: gives the router behind it the newest version's path, in lower case.

    The version is in the request's state. Paths of the training API, and of Dahlia's own operations, hold
    UUIDs and words alone, so that letter case tells nothing apart.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            scope = _spelled(scope)
        await self._app(scope, receive, send)


def _spelled(scope: Scope) -> Scope:
    if match := _OWN_ROUTE.fullmatch(scope["path"]):
        return {**scope, "path": OWN + _plain(match["rest"]), "raw_path": None}
    match = _ROUTE.fullmatch(scope["path"])
    if match is None or (version := match["version"].lower()) not in VERSIONS:
        return scope
    return {
        **scope,
        "path": TRAINING + present_path(version, _plain(match["rest"])),
        "raw_path": None,
        "state": {**scope.get("state", {}), "version": version},
    }


def _plain(rest: str | None) -> str:
    return re.sub(r"/+", "/", rest or "").rstrip("/").lower()
