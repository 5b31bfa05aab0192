from __future__ import annotations

from typing import Any

import anyio
import pytest
from starlette.responses import Response

from dahlia.errors import GatewayError, ServiceError
from dahlia.http import lingering
from dahlia.http.body import MAX_DISCARD
from dahlia.http.lingering import Lingering
from dahlia.http.replies import closing

CLOSE = [(b"connection", b"close")]


def _error(*, unread: bool) -> ServiceError:
    return GatewayError(429, "no", unread=unread)


@pytest.mark.parametrize(
    ("changes", "error", "taken"),
    [
        ({"headers": CLOSE}, _error(unread=False), True),
        ({"headers": [(b"connection", b"Close, TE")]}, _error(unread=False), True),
        ({"http_version": "1.0"}, _error(unread=False), True),
        ({"headers": CLOSE}, None, True),
        ({}, _error(unread=True), True),
        ({}, _error(unread=False), False),
        ({"headers": [(b"connection", b"keep-alive")]}, _error(unread=False), False),
        ({"headers": [*CLOSE, (b"content-length", str(MAX_DISCARD).encode())]}, _error(unread=True), True),
        (
            {"headers": [*CLOSE, (b"content-length", str(MAX_DISCARD + 1).encode())]},
            _error(unread=True),
            False,
        ),
    ],
)
def test_the_rest_of_a_body_is_taken_where_the_connection_ends(
    changes: dict[str, Any], error: ServiceError | None, taken: bool
) -> None:
    sent, left = _refused(changes, error, [b"a", b"b", b"c"])
    assert left == (0 if taken else 3)
    assert b"".join(one.get("body", b"") for one in sent) == b"refused"
    assert [one.get("more_body", False) for one in sent[1:]] == ([True, False] if taken else [False])


def test_a_body_that_has_come_is_not_waited_for() -> None:
    async def read_first(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await Response("refused", 429)(scope, receive, send)

    async def scenario() -> None:
        with anyio.fail_after(lingering.SECONDS / 2):
            await Lingering(read_first)(_scope() | {"headers": CLOSE}, _once(b"whole"), _ignore)

    anyio.run(scenario)


def test_waiting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "SECONDS", 0.05)
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await anyio.sleep_forever()

    anyio.run(Lingering(Response("refused", 429)), _scope() | {"headers": CLOSE}, receive, send)
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_a_flood_is_not_taken_to_its_end() -> None:
    piece = bytes(MAX_DISCARD // 2)
    _, left = _refused({"headers": CLOSE}, None, [piece] * 10)
    assert left == 7


def _refused(
    changes: dict[str, Any], error: ServiceError | None, pieces: list[bytes]
) -> tuple[list[dict[str, Any]], int]:
    """What was sent, and how many pieces of the body were left."""
    sent: list[dict[str, Any]] = []
    left = list(pieces)

    async def receive() -> Any:
        return {"type": "http.request", "body": left.pop(), "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    answer = Response("refused", 429, closing(error) if error else {})
    anyio.run(Lingering(answer), _scope() | changes, receive, send)
    return sent, len(left)


def _once(body: bytes) -> Any:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return messages.pop() if messages else await anyio.sleep_forever()

    return receive


async def _ignore(message: Any) -> None:
    pass


def _scope() -> dict[str, Any]:
    return {"type": "http", "http_version": "1.1", "method": "POST", "headers": []}
