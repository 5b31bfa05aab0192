"""The guard behind TLS: all its limits hold, and a handshake has some of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from certificates import Authority
from dahlia.http.connections import Connections, read_limits
from dahlia.http.guard import guarded
from dahlia.http.handshake import MOST_SECONDS, HandshakeQueue, with_tls
from http_attacks import (
    ATTACKER,
    CHECKS,
    HEALTH,
    IN_ALL,
    OTHER,
    PATIENCE,
    PER_ADDRESS,
    REFUSED,
    SETTINGS,
    Target,
    ask,
    check_full,
    check_half_sent,
    read_all,
    status_of,
)

# Those two see an answer where there are too many connections; tests below see such connections end.
OF_THE_GUARD = [check for check in CHECKS if check not in (check_full, check_half_sent)]
HELLO = bytes.fromhex("1603010200010001fc0303")  # of 512 bytes that do not follow


class _Socket(ssl.SSLSocket):
    def recv(self, *args: Any) -> bytes:
        try:
            return super().recv(*args)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:  # as over TCP
            raise ConnectionResetError from error


@dataclass(frozen=True)
class TlsTarget(Target):
    """A server behind TLS."""

    def plain(self, source: str = ATTACKER) -> socket.socket:
        return super().connect(source)

    def connect(self, source: str = ATTACKER, receive_buffer: int = 0) -> socket.socket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.sslsocket_class = _Socket
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(super().connect(source, receive_buffer))


@dataclass
class Certified:
    context: ssl.SSLContext


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the scheme, or with 200 KB."""
    assert scope["type"] == "http"
    body = bytes(200_000) if scope["path"] == "/large" else scope["scheme"].encode()
    more, size, status = True, 0, 200
    while more and status == 200:
        message = await receive()
        more, size = message.get("more_body", False), size + len(message.get("body", b""))
        status = 200 if size < 10_000_000 else 413
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certified(authority: Authority) -> Certified:
    issued = authority.issue()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    return Certified(context)


@pytest.fixture(scope="module", params=["auto", "asyncio"])
def target(request: pytest.FixtureRequest, certified: Certified) -> Iterator[TlsTarget]:
    """A server in a thread, with either event loop."""
    loop: Literal["auto", "asyncio"] = request.param
    protocol = with_tls(guarded("auto", Connections(read_limits(SETTINGS, ""))), certified)
    config = uvicorn.Config(site, http=protocol, loop=loop, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        with socket.create_connection(("127.0.0.1", port)):  # it ends with a handshake that has not begun
            yield TlsTarget(port, os.getpid(), "/", large="/large")
            server.should_exit = True
            thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """What the server says of connections from now on."""
    monkeypatch.setattr("dahlia.http.connections.REPORT_SECONDS", 0)
    with caplog.at_level(logging.INFO):
        yield lambda: caplog.text


def until_said(log: Callable[[], str], pattern: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not re.search(pattern, log()):
        assert time.monotonic() < deadline, log()
        time.sleep(0.02)
    assert "Traceback" not in log()


def test_requests_of_one_connection(target: TlsTarget) -> None:
    with target.connect() as connection:
        for size in (0, 5, 3_000_000):
            assert ask(connection, target.head(f"Content-Length: {size}") + bytes(size)) == 200
        connection.sendall(target.head("Connection: close", method="GET"))
        assert read_all(connection).endswith(b"\r\n\r\nhttps")


def test_what_is_refused(target: TlsTarget) -> None:
    for name, (sent, status) in REFUSED.items():
        assert status_of(target.answer(*sent(target))) == status, name


@pytest.mark.slow
@pytest.mark.parametrize("target", ["auto"], indirect=True)
@pytest.mark.parametrize("check", OF_THE_GUARD, ids=lambda check: check.__name__.removeprefix("check_"))
def test_attacks(target: TlsTarget, check: Callable[[Target], None]) -> None:
    check(target)


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (b"", 0, "TLS handshake too slow"),
        (HELLO, 0, "TLS handshake too slow"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP without TLS"),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP without TLS"),
        (b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP without TLS"),
        (bytes(range(256)), 0, "TLS handshake failed"),
    ],
)
def test_what_is_no_handshake_ends(
    target: TlsTarget, log: Callable[[], str], sent: bytes, status: int, said: str
) -> None:
    with target.plain() as connection:
        connection.sendall(sent)
        answer = read_all(connection)
    assert status_of(answer) == status
    assert (b"https://" in answer) == (status == 400)
    until_said(log, rf"\d x {said}\b")  # a probe may have been too slow as well


def test_an_old_version_is_refused(target: TlsTarget, log: Callable[[], str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with target.plain() as connection, pytest.raises(OSError):
        context.wrap_socket(connection)
    until_said(log, "TLS too old|TLS handshake failed")


def test_who_only_looks_for_a_port_is_not_in_the_log(target: TlsTarget, log: Callable[[], str]) -> None:
    target.plain(OTHER).close()
    with target.connect() as connection:
        assert ask(connection) == 200
    time.sleep(0.3)
    assert OTHER not in log()


@dataclass(eq=False)
class Step:
    """A connection of the queue that notes when it proceeds, after some time of the processor."""

    name: str
    noted: list[str]
    seconds: float = 0.0

    def proceed(self) -> None:
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass
        self.noted.append(self.name)


@pytest.mark.parametrize(
    ("seconds", "turns", "noted"),
    [
        (0.0, 1, "a"),
        (0.0, 3, "a b a"),
        (0.0, 9, "a b a a a"),
        (0.01, 9, "a b"),
    ],
)
def test_addresses_take_turns(
    monkeypatch: pytest.MonkeyPatch, seconds: float, turns: int, noted: str
) -> None:
    monkeypatch.setattr("dahlia.http.handshake.MOST_SECONDS", 0.01)
    monkeypatch.setattr("dahlia.http.handshake.WINDOW_SECONDS", PATIENCE)

    async def run() -> str:
        queue, names = HandshakeQueue(), list[str]()
        for name in ("a", "a", "a", "a", "b", "b"):
            left = Step(name, names, seconds)
            queue.enter(left, name)
        queue.leave(left, "b")
        for _ in range(turns):
            await asyncio.sleep(0)
        return " ".join(names)

    assert asyncio.run(run()) == noted


def test_an_address_waits_for_the_next_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dahlia.http.handshake.WINDOW_SECONDS", 0.05)

    async def run() -> list[str]:
        queue, names = HandshakeQueue(), list[str]()
        for _ in range(2):
            queue.enter(Step("a", names, MOST_SECONDS), "a")
        async with asyncio.timeout(PATIENCE):
            while len(names) < 2:
                await asyncio.sleep(0.01)
        return names

    assert asyncio.run(run()) == ["a", "a"]


def test_nothing_is_computed_for_a_client_that_has_gone(
    certified: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[str]()
    monkeypatch.setattr("dahlia.http.handshake.TlsTransport", lambda *given: begun.append("a"))
    connections = Connections(read_limits(SETTINGS, ""))
    protocol = with_tls(guarded("auto", connections), certified)
    config = uvicorn.Config(site, lifespan="off", log_config=None)
    config.load()

    async def run() -> None:
        state = uvicorn.server.ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: protocol(config=config, server_state=state, app_state={}),  # type: ignore[call-arg]
            "127.0.0.1",
            0,
        )
        for _ in range(PER_ADDRESS):  # while the loop does not run
            with socket.create_connection(server.sockets[0].getsockname()) as connection:
                connection.sendall(HELLO)
        async with asyncio.timeout(PATIENCE):
            while not state.connections:
                await asyncio.sleep(0)
            while state.connections:
                await asyncio.sleep(0)
        server.close()

    asyncio.run(run())
    assert not begun


def test_handshakes_count_as_connections(target: TlsTarget, log: Callable[[], str]) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(target.plain()) for _ in range(3 * PER_ADDRESS)]
        with pytest.raises(OSError), target.connect():
            pass
        with target.connect(OTHER) as other:
            assert ask(other) == 200
        assert {read_all(connection) for connection in held} == {b""}
    until_said(log, "beyond the connections of one address")
    with target.connect() as connection:
        assert ask(connection) == 200


def test_connections_count_after_the_handshake(target: TlsTarget) -> None:
    with ExitStack() as stack:
        for source in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            held = [stack.enter_context(target.connect(source)) for _ in range(PER_ADDRESS)]
            assert [ask(connection) for connection in held] == [200] * PER_ADDRESS
        assert 3 * PER_ADDRESS == IN_ALL
        with pytest.raises(OSError), target.connect(OTHER):
            pass
        assert ask(held[0]) == 200
    deadline = time.monotonic() + PATIENCE
    while not _answers(target):
        assert time.monotonic() < deadline


def _answers(target: TlsTarget) -> bool:
    try:
        with target.connect(OTHER) as connection:
            return ask(connection, HEALTH) == 200
    except OSError:
        return False


def test_a_renewed_certificate_is_for_new_connections(
    target: TlsTarget, certified: Certified, authority: Authority, tmp_path: Path
) -> None:
    trusting = ssl.create_default_context(cafile=authority.file)
    before, issued = certified.context, authority.issue("renewed")
    with trusting.wrap_socket(target.plain(), server_hostname="localhost") as old:
        certified.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certified.context.load_cert_chain(issued.certificate, issued.key)
        try:
            with trusting.wrap_socket(target.plain(), server_hostname="localhost") as new:
                assert "renewed" in str(new.getpeercert())
                assert ask(new) == ask(old) == 200
        finally:
            certified.context = before
