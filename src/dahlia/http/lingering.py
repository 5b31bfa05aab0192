"""Answers that are given before the whole body has come.

A server that closes a connection on which a body is still coming resets it, and a client that is still
sending then reports a broken connection instead of the answer. So such a connection stays open for a moment.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from dahlia.http.body import MAX_DISCARD, Disconnected, discard

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = 5


class Lingering:
    """ASGI application: where an answer ends the connection, takes the rest of the body before that.

    At most `MAX_DISCARD` bytes of a body are taken, `SECONDS` long; of one that declares more, none.

    Args:
        app: what is behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        await self._app(scope, body, _Answer(scope, body, send))


class _Body:
    """A request's messages, and whether the body has come to its end."""

    __slots__ = ("_receive", "ended", "size")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False
        self.size = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self.size += len(message.get("body", b""))
        self.ended = not message.get("more_body", False)  # a client that is gone sends no more either
        return message


class _Answer:
    """Sends an answer, its last piece once the body has come or is given up."""

    __slots__ = ("_body", "_ends", "_scope", "_send")

    def __init__(self, scope: Scope, body: _Body, send: Send) -> None:
        self._scope = scope
        self._body = body
        self._send = send
        self._ends = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._ends = _ends(self._scope, Headers(raw=message.get("headers", []))) and not _is_huge(
                self._scope
            )
        elif self._ends and not self._body.ended and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            with suppress(Disconnected):
                await discard(self._body, MAX_DISCARD - self._body.size + 1, SECONDS)
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)


def _ends(scope: Scope, answered: Headers) -> bool:
    # Where the connection goes on, the server itself takes the rest of the body.
    asked = Headers(scope=scope).get("connection", "").lower()
    return scope.get("http_version") == "1.0" or "close" in asked or answered.get("connection") == "close"


def _is_huge(scope: Scope) -> bool:
    declared = Headers(scope=scope).get("content-length", "")
    return declared.isdecimal() and int(declared) > MAX_DISCARD
