"""The guard around uvicorn's protocols, with a small application behind it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dahlia.http import guard as module
from dahlia.http.connections import Connections, Limits
from dahlia.http.guard import guarded
from http_attacks import PATIENCE, read_all, status_of

HEADER_SECONDS, STALLED_SECONDS, KEEP_ALIVE = 0.4, 0.6, 1
LIMITS = Limits(connections=6, per_address=4, header_seconds=HEADER_SECONDS, stalled_seconds=STALLED_SECONDS)
USED = (
    "connection_made", "connection_lost", "data_received", "on_response_complete", "send_400_response",
    "_unset_keepalive_if_required",
)  # fmt: skip


@dataclass
class Site:
    """A server, and what its application saw."""

    port: int = 0
    bodies: list[int | str] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/wait":
            await asyncio.to_thread(self.goes_on.wait, PATIENCE)
        if scope["path"] == "/begin":
            await self._start(send)
            await self._read(receive)
            await send({"type": "http.response.body", "body": b"ok"})
            return
        if scope["path"] != "/early":
            await self._read(receive)
        await self._start(send)
        await send({"type": "http.response.body", "body": b"ok"})

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"", "more_body": True})

    async def _read(self, receive: Receive) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.bodies.append("gone")
                return
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.bodies.append(size)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


@pytest.fixture(scope="module", params=["auto", "h11"])
def running(request: pytest.FixtureRequest) -> Iterator[Site]:
    site = Site()
    parser: Literal["auto", "h11"] = request.param
    protocol = guarded(parser, Connections(LIMITS))
    config = uvicorn.Config(
        site, http=protocol, lifespan="off", log_config=None, ws="none", timeout_keep_alive=KEEP_ALIVE
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        site.port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield site
        server.should_exit = True
        thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    running.bodies.clear()
    running.goes_on.clear()
    yield running
    running.goes_on.set()


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *lines, "", ""]).encode()


def answered(connection: socket.socket) -> bytes:
    """One answer of the application."""
    received = b""
    while not received.endswith(b"\r\n\r\nok"):
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("protocol", [HttpToolsProtocol, H11Protocol])
def test_uvicorn_has_what_the_guard_uses(protocol: type[asyncio.Protocol]) -> None:
    config = uvicorn.Config(lambda scope: None, log_config=None)
    made = protocol(config, uvicorn.server.ServerState(), {}, asyncio.new_event_loop())  # type: ignore[call-arg]
    made.loop.close()
    for name in USED:
        assert callable(getattr(made, name)), name
    for name in ("cycle", "loop", "transport", "timeout_keep_alive"):
        assert hasattr(made, name), name


def test_requests_of_one_connection(site: Site) -> None:
    with site.connect() as connection:
        for size in (0, 5, 300_000):
            connection.sendall(head("/", f"Content-Length: {size}") + bytes(size))
            answered(connection)
        connection.sendall(head("/", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n")
        answered(connection)
    assert site.bodies == [0, 5, 300_000, 5]


def test_a_late_body_is_refused_and_the_application_knows(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(head("/", "Content-Length: 5") + b"he")
        answer = read_all(connection)
    assert status_of(answer) == 408
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["code"] == "BadRequestInvalid"
    assert "32 KB per second" in body["message"]
    assert b"apim-request-id: " in answer
    until(lambda: site.bodies == ["gone"])


def test_who_waits_for_the_application_is_not_late(site: Site) -> None:
    size = 4_000_000  # more than fits into the sockets
    with site.connect() as connection:
        sender = threading.Thread(
            target=connection.sendall, args=(head("/wait", f"Content-Length: {size}") + bytes(size),)
        )
        sender.start()
        time.sleep(2 * STALLED_SECONDS + 0.3)
        site.goes_on.set()
        answered(connection)
        sender.join()
    assert site.bodies == [size]


def test_a_body_that_is_not_read_is_passed_over(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(head("/early", "Content-Length: 100000") + bytes(1000))
        answered(connection)
        connection.sendall(bytes(99_000) + head("/", method="GET"))
        answered(connection)
        assert read_all(connection) == b""  # it may not wait for ever


def test_a_body_that_is_not_read_may_not_be_endless(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DISCARD", 1_000_000)
    with site.connect() as connection:
        connection.sendall(head("/early", "Content-Length: 100000000"))
        answered(connection)
        with pytest.raises(OSError):  # noqa: PT012
            while True:
                connection.sendall(bytes(100_000))


def test_no_second_answer_where_one_has_begun(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(head("/begin", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        begun = connection.recv(65536)
        assert status_of(begun) == 200
        connection.sendall(b"zz\r\n")
        assert read_all(connection) == b""
    until(lambda: site.bodies == ["gone"])


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", 0), (b"\r\n", 0), (b"GET", 408), (head("/")[:-1], 408), (head("/", "Content-Length: 1"), 408)],
)
def test_what_does_not_come_ends(site: Site, sent: bytes, status: int) -> None:
    with site.connect() as connection:
        connection.sendall(sent)
        assert status_of(read_all(connection)) == status


def test_what_the_parser_refuses_is_refused_in_our_words(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with site.connect() as connection:
        connection.sendall(head("/", "A b"))
        answer = read_all(connection)
    assert status_of(answer) == 400
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "BadRequestInvalid"
    assert "Invalid HTTP request received" not in caplog.text


def test_the_next_request_begins_when_the_last_is_answered(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(
            head("/wait", method="GET") + head("/", method="GET") + head("/", "Content-Length: 9") + b"1234"
        )
        time.sleep(0.2)
        assert site.bodies == []
        site.goes_on.set()
        answered(connection)
        until(lambda: site.bodies == [0, 0])
        connection.sendall(b"56789")
        until(lambda: site.bodies == [0, 0, 9])


def test_beyond_the_bound_connections_are_told(site: Site) -> None:
    held = [site.connect() for _ in range(5)]  # loopback may have nine tenths of six
    try:
        time.sleep(0.1)
        with site.connect() as connection:
            answer = read_all(connection)
    finally:
        for one in held:
            one.close()
    assert status_of(answer) == 429
    assert b"retry-after: 1" in answer
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["code"] == "429"
    assert "(5)" in error["message"]
