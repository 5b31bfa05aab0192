"""Attacks on an HTTP server, over raw sockets: what is sent, and what must come back."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil
import pytest

PATIENCE = 30.0
PROMPT = 2.0  # seconds; /healthz takes some milliseconds
MAX_GROWTH = 100 << 20  # bytes of memory
# Ports are of this machine; its addresses are many, which stand for many machines.
ATTACKER, SECOND, THIRD, OTHER = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"

PER_ADDRESS, IN_ALL = 20, 60
SETTINGS = {
    "MAX_CONNECTIONS": str(IN_ALL),
    "MAX_CONNECTIONS_PER_ADDRESS": str(PER_ADDRESS),
    "PROXIES": "10.0.0.1",
    "HEADER_SECONDS": "1",
    "STALLED_SECONDS": "2",
}
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_PIECE = 16 * 1024  # bytes, a record of TLS; one that was not taken must be offered again as it was

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass(frozen=True)
class Target:
    """A running server.

    Attributes:
        port: of 127.0.0.1.
        pid: of the process that answers.
        post: a path whose answer waits for a body.
        key: a field of the header that opens it, where it needs one.
        large: a path with a large answer, where there is one.
    """

    port: int
    pid: int
    post: str
    key: str = "A: b"
    large: str = "/healthz"

    def connect(self, source: str = ATTACKER, receive_buffer: int = 0) -> socket.socket:
        """A connection from an address."""
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(PATIENCE)
        connection.bind((source, 0))
        connection.connect(("127.0.0.1", self.port))
        return connection

    def head(self, *lines: str, method: str = "POST", version: str = "1.1") -> bytes:
        """A request's header."""
        return "\r\n".join(
            [f"{method} {self.post} HTTP/{version}", "Host: a", self.key, *lines, "", ""]
        ).encode()

    def answer(self, *pieces: bytes, source: str = ATTACKER) -> bytes:
        """What comes back until the server closes the connection."""
        with self.connect(source) as connection:
            send(connection, *pieces)
            return read_all(connection)


def send(connection: socket.socket, *pieces: bytes) -> None:
    """Send as much as the server takes."""
    with contextlib.suppress(OSError):
        for piece in pieces:
            connection.sendall(piece)


def read_all(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return received


def send_and_read(connection: socket.socket, *pieces: bytes) -> bytes:
    """Send, and read until the server closes, in one thread: two must not share a TLS socket."""
    received, waiting = b"", list(pieces)
    connection.setblocking(False)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if waiting:
            with contextlib.suppress(*_NOT_YET):
                waiting[0] = waiting[0][connection.send(waiting[0][:_PIECE]) :]
                if not waiting[0]:
                    del waiting[0]
        try:
            piece = connection.recv(65536)
        except _NOT_YET:
            select.select([connection], [connection] if waiting else [], [], 0.1)
            continue
        if not piece:
            return received
        received += piece
    raise TimeoutError(f"no end of the answers within {PATIENCE:g} seconds, after {len(received)} bytes")


def ask(connection: socket.socket, request: bytes = HEALTH) -> int:
    """Send a request, read the whole answer; its status."""
    received = b""
    with contextlib.suppress(ConnectionError):
        connection.sendall(request)
        while not _is_whole(received):
            piece = connection.recv(65536)
            if not piece:
                break
            received += piece
    return status_of(received)


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
    return bool(end) and length is not None and len(body) >= int(length[1])


def status_of(answer: bytes) -> int:
    """The status of an answer; 0 where there is none."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


@contextmanager
def unharmed(target: Target) -> Iterator[None]:
    """Meanwhile somebody else is answered promptly, and the process does not grow."""
    process = psutil.Process(target.pid)
    before = process.memory_info().rss
    done = threading.Event()
    waits: list[float] = []
    sizes: list[int] = []

    failures: list[BaseException] = []

    def watch() -> None:
        try:
            while not done.wait(0.02):
                started = time.monotonic()
                with target.connect(OTHER) as connection:
                    assert ask(connection) == 200
                waits.append(time.monotonic() - started)
                sizes.append(process.memory_info().rss)
        except (AssertionError, OSError) as error:
            failures.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        time.sleep(0.1)
        done.set()
        thread.join()
    assert not failures
    assert max(waits) < PROMPT
    assert max(sizes) - before < MAX_GROWTH


def _chunked(target: Target) -> bytes:
    return target.head("Transfer-Encoding: chunked")


# What is sent, and the status of the answer, after which the connection ends.
REFUSED: dict[str, tuple[Callable[[Target], list[bytes]], int]] = {
    "101 fields": (lambda t: [t.head(*(f"A{n}: b" for n in range(99)))], 431),
    "endless small fields": (lambda t: [t.head()[:-2], *[b"A: b\r\n" * 1000] * 100], 431),
    "one large field": (lambda t: [t.head()[:-2] + b"A: ", *[b"a" * 65536] * 160], 431),
    "a field of 64 KB that ends": (lambda t: [t.head("A: " + "a" * 65536)], 431),
    "a long address": (lambda _: [b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"], 414),
    "an endless address": (lambda _: [b"GET /", *[b"a" * 65536] * 160], 414),
    "an endless extension of a chunk": (lambda t: [_chunked(t), b"5;a=", *[b"a" * 65536] * 16], 431),
    "endless trailers": (lambda t: [_chunked(t), b"0\r\n", *[b"A: b\r\n" * 1000] * 32], 431),
    "101 trailers": (lambda t: [_chunked(t), b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n"], 431),
    "chunks of one byte": (lambda t: [_chunked(t), *[b"1\r\na\r\n" * 10_000] * 10], 431),
    "NUL in a field": (lambda t: [t.head("A: b\0c")], 400),
    "binary": (lambda _: [bytes(range(256)) * 16], 400),
    "TLS": (lambda _: [b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(500)], 400),
    "HTTP/2": (lambda _: [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)], 400),
    "a tunnel": (lambda _: [b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"], 400),
    "bare line feeds": (lambda t: [t.head("Content-Length: 0").replace(b"\r\n", b"\n")], 400),
    "a line feed in a field": (lambda t: [t.head("A: b\nContent-Length: 4")], 400),
    "a carriage return in a field": (lambda t: [t.head("A: b\rContent-Length: 4")], 400),
    "a folded field": (lambda t: [t.head("A: b", " Content-Length: 4")], 400),
    "length and chunks": (
        lambda t: [t.head("Content-Length: 4", "Transfer-Encoding: chunked"), b"0\r\n"],
        400,
    ),
    "two lengths": (lambda t: [t.head("Content-Length: 4", "Content-Length: 4"), b"abcd"], 400),
    "two lengths in one field": (lambda t: [t.head("Content-Length: 4, 4"), b"abcd"], 400),
    "a length with a sign": (lambda t: [t.head("Content-Length: +4"), b"abcd"], 400),
    "a length and a blank": (lambda t: [t.head("Content-Length : 4"), b"abcd"], 400),
    "chunks of HTTP/1.0": (
        lambda t: [t.head("Transfer-Encoding: chunked", version="1.0"), b"0\r\n\r\n"],
        400,
    ),
    "another coding": (lambda t: [t.head("Transfer-Encoding: chunked, identity"), b"0\r\n\r\n"], 400),
    "chunks twice": (lambda t: [t.head(*["Transfer-Encoding: chunked"] * 2), b"0\r\n\r\n"], 400),
    "two hosts": (lambda t: [t.head("Host: b")], 400),
    "a chunk's size that is none": (lambda t: [_chunked(t), b"zz\r\n"], 400),
    "a signed chunk's size": (lambda t: [_chunked(t), b"+5\r\nabcde\r\n0\r\n\r\n"], 400),
}


def check_large_headers(target: Target) -> None:
    """Eight connections with 30 MB of header each are refused, and others are answered."""
    answers: list[bytes] = []

    def attack() -> None:
        answers.append(target.answer(target.head()[:-2] + b"A: ", *[b"a" * (1 << 20)] * 30))

    with unharmed(target):
        _at_once([attack] * 8)
    assert [status_of(answer) for answer in answers] == [431] * 8
    assert b"64 KB and 100 fields" in answers[0]
    assert b"connection: close" in answers[0]


def check_slow_clients(target: Target) -> None:
    """Who sends or reads too slowly is ended, all at once, and with an answer where there can be one."""
    ended: dict[str, bytes] = {}

    def attack(name: str, begin: bytes, then: bytes = b"") -> Callable[[], None]:
        def run() -> None:
            with target.connect() as connection:
                connection.sendall(begin)
                ended[name] = _drip(connection, then) if then else read_all(connection)

        return run

    body = target.head("Content-Length: 1000")
    with unharmed(target):
        _at_once(
            [
                attack("nothing", b""),
                attack("half a line", b"GET /heal"),
                attack("half a header", target.head()[:-2]),
                attack("header byte by byte", b"GET / HTTP/1.1\r\nA: ", b"a"),
                attack("empty lines", b"\r\n", b"\r\n"),
                attack("no body", body),
                attack("body byte by byte", body, b"a"),
                attack("chunk line byte by byte", _chunked(target) + b"5;", b"a"),
                attack("half a trailer", _chunked(target) + b"0\r\nA: "),
                lambda: _ask_and_never_read(target),
            ]
        )
    assert {name for name, answer in ended.items() if not answer} >= {"nothing", "empty lines"}
    for name in (
        "half a line",
        "half a header",
        "header byte by byte",
        "no body",
        "body byte by byte",
        "chunk line byte by byte",
        "half a trailer",
    ):
        assert status_of(ended[name]) == 408, (name, ended[name])


def check_half_sent(target: Target) -> None:
    """Of many half-sent requests of one address few stay, and those not for long; others get in."""
    with ExitStack() as stack, unharmed(target):
        held = [stack.enter_context(target.connect()) for _ in range(3 * PER_ADDRESS)]
        for connection in held:
            send(connection, b"POST /")
        with target.connect(SECOND) as other:
            assert ask(other) == 200
        statuses = [status_of(read_all(connection)) for connection in held]
    assert statuses.count(408) == PER_ADDRESS
    assert 429 in statuses
    assert set(statuses) <= {408, 429, 0}  # an answer is lost where the request came before it was read


def check_full(target: Target) -> None:
    """Where all connections are taken, those go on, new ones are refused, and later ones get in."""
    with ExitStack() as stack:
        held = {source: _open_until_refused(target, source, stack) for source in (ATTACKER, SECOND, THIRD)}
        counts = [len(connections) for connections in held.values()]
        assert sum(counts) == IN_ALL
        assert counts[0] == PER_ADDRESS
        refused = target.answer(HEALTH, source=OTHER)
        assert status_of(refused) in (503, 0)
        if refused:
            assert b"retry-after: 5" in refused
        for connections in held.values():
            assert ask(connections[0]) == 200
    until = time.monotonic() + PATIENCE
    while (
        status_of(target.answer(HEALTH.replace(b"Host", b"Connection: close\r\nHost"), source=OTHER)) != 200
    ):
        assert time.monotonic() < until


def check_endless_bodies(target: Target) -> None:
    """A body without an end is refused, and its connection ends."""
    with unharmed(target):
        endings: list[bytes] = []

        def attack() -> None:
            with target.connect() as connection:
                send(connection, _chunked(target), *[b"100000\r\n" + bytes(1 << 20) + b"\r\n"] * 80)
                endings.append(read_all(connection))

        _at_once([attack] * 2)
    assert len(endings) == 2
    assert all(status_of(answer) in (0, 400, 401, 404, 413) for answer in endings)


def check_pipelining(target: Target) -> None:
    """Requests that are sent without waiting are answered, one after the other."""
    count = 1500
    last = HEALTH[:-2] + b"Connection: close\r\n\r\n"
    with target.connect() as connection, unharmed(target):
        received = send_and_read(connection, HEALTH * count, last[:20], last[20:])
    assert received.count(b"HTTP/1.1 200") == received.count(b"HTTP/1.1 ") == count + 1


def check_upgrade(target: Target) -> None:
    """An upgrade is not made; the request is answered, and so is the next one of its connection."""
    fields = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: YQ==\r\n"
    with target.connect() as connection:
        for protocol in (b"websocket", b"h2c"):
            request = HEALTH[:-2] + fields.replace(b"websocket", protocol) + b"\r\n"
            assert ask(connection, request) == 200
        assert ask(connection) == 200


CHECKS = [
    check_large_headers,
    check_slow_clients,
    check_half_sent,
    check_full,
    check_endless_bodies,
    check_pipelining,
    check_upgrade,
]


def _drip(connection: socket.socket, piece: bytes) -> bytes:
    """Send a piece ten times a second until the server has enough; what it said."""
    connection.settimeout(0.1)
    until = time.monotonic() + PATIENCE
    received = b""
    while time.monotonic() < until:
        try:
            connection.sendall(piece)
            got = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return received
        received += got
        if not got:
            return received
    raise AssertionError("the server waits for ever")


def _ask_and_never_read(target: Target) -> None:
    with target.connect(receive_buffer=4096) as connection:
        connection.settimeout(0.5)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                connection.sendall(HEALTH.replace(b"/healthz", target.large.encode()) * 100)
            except TimeoutError:
                continue
            except OSError:
                return
    raise AssertionError("the server keeps the answers of a client that reads none")


def _open_until_refused(target: Target, source: str, stack: ExitStack) -> list[socket.socket]:
    """Connections that were answered once and are kept; those beyond are refused."""
    opened: list[socket.socket] = []
    while True:
        connection = stack.enter_context(target.connect(source))
        if ask(connection) != 200:
            return opened
        opened.append(connection)


def _at_once(attacks: list[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def run(attack: Callable[[], None]) -> None:
        try:
            attack()
        except (AssertionError, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(attack,)) for attack in attacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


class Attacks:
    """The tests of one server; a module that has a fixture `target` makes a `Test...` class of it."""

    @pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED.keys())
    def test_what_is_refused(
        self, target: Target, sent: Callable[[Target], list[bytes]], status: int
    ) -> None:
        answer = target.answer(*sent(target))
        assert status_of(answer) == status
        assert answer.count(b"HTTP/1.1 ") == 1

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
    def test_attacks(self, target: Target, check: Callable[[Target], None]) -> None:
        check(target)
