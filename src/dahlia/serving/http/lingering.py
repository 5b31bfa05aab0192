"""Answers that are given before the whole body has come.

A server that closes a connection on which a body is still coming resets it, and a client that is still
sending then reports a broken connection instead of the answer. So such a connection stays open for a moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from starlette.datastructures import Headers

from dahlia.serving.http.body import MAX_DISCARD, Unread

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Message, Receive, Scope, Send

SECONDS = 5


class Incoming:
    """A request's messages, and whether the body has come to its end.

    Args:
        receive: gives them.
    """

    __slots__ = ("_receive", "ended", "size")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False
        self.size = 0

    async def __call__(self) -> Message:
        """The next message."""
        message = await self._receive()
        self.size += len(message.get("body", b""))
        self.ended = not message.get("more_body", False)  # a client that is gone sends no more either
        return message


async def refuse(
    response: Response, scope: Scope, incoming: Incoming, send: Send, error: Exception | None = None
) -> None:
    """Send an answer; where it ends the connection, take the rest of the body before that.

    At most `MAX_DISCARD` bytes of a body are taken, `SECONDS` long; of one that declares more, none.

    Args:
        response: the answer.
        scope: the request.
        incoming: its body.
        send: to the client.
        error: what is answered; `Unread` ends the connection.
    """
    if incoming.ended or not (isinstance(error, Unread) or _closes(scope)) or _is_huge(scope):
        await response(scope, incoming, send)
        return

    async def send_unfinished(message: Message) -> None:
        is_body = message["type"] == "http.response.body"
        await send({**message, "more_body": True} if is_body else message)

    await response(scope, incoming, send_unfinished)
    with anyio.move_on_after(SECONDS):
        while not incoming.ended and incoming.size <= MAX_DISCARD:
            await incoming()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _closes(scope: Scope) -> bool:
    # Where the connection goes on, the server itself takes the rest of the body.
    asked = Headers(scope=scope).get("connection", "").lower()
    return scope.get("http_version") == "1.0" or "close" in asked


def _is_huge(scope: Scope) -> bool:
    declared = Headers(scope=scope).get("content-length", "")
    return declared.isdecimal() and int(declared) > MAX_DISCARD
