from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from starlette.datastructures import Headers

from dahlia.errors import ServiceError
from dahlia.http.body import MAX_DISCARD, MAX_IMAGE, Disconnected, read_body

if TYPE_CHECKING:
    from starlette.types import Message, Receive

GONE: Message = {"type": "http.disconnect"}


def piece(size: int, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": bytes(size), "more_body": more}


def receiving(*messages: Message) -> Receive:
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    return receive


def read(*messages: Message, most: int = 1000) -> bytes:
    async def ask() -> bytes:
        return await read_body(receiving(*messages), Headers({}), lambda _: None, most)

    return anyio.run(ask)


def test_a_body_is_read_whole() -> None:
    assert read(piece(3), piece(4), piece(0, more=False)) == bytes(7)


@pytest.mark.parametrize(
    "before", [[], [piece(3)], [piece(MAX_IMAGE)]], ids=["nothing", "a part", "more than is taken"]
)
def test_a_client_that_leaves_is_told_nothing(before: list[Message]) -> None:
    with pytest.raises(Disconnected):
        read(*before, GONE)


@pytest.mark.parametrize(
    ("rest", "unread"), [([piece(1, more=False)], False), ([piece(MAX_DISCARD), piece(9)], True)]
)
def test_a_body_that_is_too_large(rest: list[Message], unread: bool) -> None:
    with pytest.raises(ServiceError, match=r"Expected .* received") as refused:
        read(piece(MAX_IMAGE), *rest)
    assert (refused.value.code, refused.value.status) == ("BadRequestImageSizeBytes", 400)
    assert refused.value.unread == unread
