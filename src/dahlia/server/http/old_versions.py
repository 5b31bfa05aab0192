"""What versions 1 and 2 word otherwise."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from dahlia.serving.http.replies import in_words_of_v1

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATHS_OF_V1 = re.compile(r"(?P<images>/projects/[^/]+/images)/(?P<what>image|url|tagged/all)")
_PRESENT = {"image": "", "url": "/urls", "tagged/all": "/tagged"}
_WITHOUT_PROJECTS = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}/images/[^/]+/regionproposals")


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
