"""One spelling for every path: clients send doubled slashes, `Training` and `training`, twelve versions.

Versions 1 and 2 have some other paths, and version 1 other names in its answers.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from dahlia.http.replies import in_words_of_v1

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


VERSIONS = ("v1.0", "v1.1", "v1.2", "v2.0", "v2.1", "v2.2", "v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview")
TRAINING = "/customvision/v3.4-preview/training"
OWN = "/dahlia/v1"
"""Where the operations are that Custom Vision does not have."""
_ROUTE = re.compile(
    r"/+customvision/+(?P<version>v[\d.]+(?:-preview)?)/+training(?P<rest>/.*)?", re.IGNORECASE
)
_OWN_ROUTE = re.compile(r"/+dahlia/+v1(?P<rest>/.*)?", re.IGNORECASE)
_PATHS_OF_V1 = re.compile(r"(?P<images>/projects/[^/]+/images)/(?P<what>image|url|tagged/all)")
_PRESENT = {"image": "", "url": "/urls", "tagged/all": "/tagged"}
_WITHOUT_PROJECTS = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}/images/[^/]+/regionproposals")


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


def present_path(version: str, path: str) -> str:
    """A path below `training` as later versions have it.

    Version 2 left `/projects` out of one; version 1.0 had other words for what is done to images.
    """
    if version < "v2" and (match := _PATHS_OF_V1.fullmatch(path)):
        return match["images"] + _PRESENT[match["what"]]
    return f"/projects{path}" if version < "v3" and _WITHOUT_PROJECTS.fullmatch(path) else path


class WordsOfV1:
    """ASGI application: gives clients of version 1 the names in PascalCase that they look for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        version = str(scope.get("state", {}).get("version", "")) if scope["type"] == "http" else ""
        await self._app(scope, receive, _Rewording(send) if version.startswith("v1.") else send)


class _Rewording:
    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_json(message):
            self._start = message
        elif not self._start:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish()

    async def _finish(self) -> None:
        body = json.dumps(in_words_of_v1(json.loads(self._body)), separators=(",", ":")).encode()
        MutableHeaders(scope=self._start)["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


def _is_json(message: Message) -> bool:
    headers = Headers(raw=message["headers"])
    return headers.get("content-type", "").startswith("application/json") and "content-length" in headers
