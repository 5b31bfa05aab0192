"""`HEAD` where there is `GET`: the same headers, and no body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STATE = "head"


class HeadAsGet:
    """ASGI application: answers `HEAD` as it would answer `GET`, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            state = {**scope.get("state", {}), _STATE: True}
            scope, send = {**scope, "method": "GET", "state": state}, _bodiless(send)
        await self._app(scope, receive, send)


def wants_no_body(request: Request) -> bool:
    """Whether the client asked for headers alone, so that no file need be read."""
    return bool(getattr(request.state, _STATE, False))


def _bodiless(send: Send) -> Send:
    async def sending(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return sending
