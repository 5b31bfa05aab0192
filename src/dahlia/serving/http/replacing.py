"""A request with another body than the one that came."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

_OF_THE_BODY = (b"content-type", b"content-length", b"transfer-encoding")


def with_body(scope: Scope, receive: Receive, body: bytes, content_type: str) -> tuple[Scope, Receive]:
    """A request whose body has been read, with one in its place.

    Args:
        scope: of the request.
        receive: gives what comes after its body.
        body: in place of the one that came.
        content_type: of `body`.
    """
    kept = [pair for pair in scope["headers"] if pair[0] not in _OF_THE_BODY]
    own = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return {**scope, "headers": kept + own}, again
