"""TLS before the guard: connections count, have a deadline and wait for their turn before their handshake."""

from __future__ import annotations

import asyncio
import select
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dahlia.errors import ServiceError
from dahlia.http.connections import counted_as
from dahlia.http.guard import Guard, beyond, rendered
from dahlia.http.transport import TlsTransport

if TYPE_CHECKING:
    from typing import Protocol

    class Certified(Protocol):
        """Has the context for the next handshake; a renewed certificate brings another."""

        @property
        def context(self) -> ssl.SSLContext:
            """Of the certificate in use."""

    class Shaking(Protocol):
        """A connection whose handshake goes on."""

        def proceed(self) -> None:
            """Compute what the client has sent."""


MAX_WAITING = 64 * 1024  # bytes of a connection that are read before its turn
WINDOW_SECONDS = 1.0
MOST_SECONDS = 0.25  # of processor time in each window, for the handshakes of one address

_LEFT = getattr(select, "POLLRDHUP", 0)  # of Linux; others report it as a hang-up, which needs no asking
_OLD = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION")


def with_tls(guard: type[asyncio.Protocol], certificate: Certified) -> type[asyncio.Protocol]:
    """A protocol for `uvicorn.Config(http=...)` that puts TLS before a guarded one.

    Args:
        guard: of `guarded`.
        certificate: is asked at each connection.
    """
    names = {"guard": guard, "certificate": certificate, "queue": HandshakeQueue()}
    return type(f"Tls{guard.__name__}", (Handshake,), names)


class Handshake(asyncio.Protocol):
    """Counts a connection and makes the handshake; then the guard counts it, and gets what comes in clear.

    Args:
        server_state: of uvicorn, which ends the connections in it when it stops.
        options: what else uvicorn gives its protocols, for the guard.
    """

    guard: Callable[..., Guard]
    certificate: Certified
    queue: HandshakeQueue
    _line: TlsTransport

    def __init__(self, server_state: Any, **options: Any) -> None:
        self._state = server_state
        self._guard = self.guard(server_state=server_state, **options)
        self._counted = self._guard.counted
        self._waiting = bytearray()
        self._has_begun = self._is_done = False
        self._host = self._address = ""
        self._since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a handshake, unless there are too many connections."""
        self._raw = transport
        peer = transport.get_extra_info("peername")
        self._host = str(peer[0]) if isinstance(peer, tuple) else ""
        self._address = counted_as(self._host)
        self._since = asyncio.get_running_loop().time()
        try:
            self._counted.enter(self, self._host)
        except ServiceError as error:
            # A client reads an answer after a handshake alone, which costs too much.
            self._end(beyond(error))
            return
        self._state.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Queue for the handshake, or hand on what comes."""
        if self._is_done:
            self._deliver(data)
        elif self._raw.is_closing():
            return
        elif not (self._has_begun or self._waiting) and data[:1].isalpha():
            self._refuse_http()  # a method; the first byte of what TLS sends is a control character
        else:
            self._waiting += data
            if len(self._waiting) > MAX_WAITING:
                self._raw.pause_reading()
            self.queue.enter(self, self._address)

    def proceed(self) -> None:
        """Go on with the handshake, unless the client has gone."""
        if self._raw.is_closing():
            return
        if not self._has_begun:
            if _has_left(self._raw):
                self._raw.abort()
                return
            self._has_begun = True
            self._line = TlsTransport(self._raw, self.certificate.context, self._deliver)
        data = bytes(self._waiting)
        self._waiting.clear()
        self._raw.resume_reading()
        self._shake(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._leave()
        if self._is_done:
            self._guard.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        if self._is_done:
            self._guard.pause_writing()

    def resume_writing(self) -> None:
        """It reads on."""
        if self._is_done:
            self._guard.resume_writing()

    def shutdown(self) -> None:
        """End it before its handshake is done; uvicorn's word for that."""
        self._raw.abort()

    def check(self, now: float) -> None:
        """End it if the handshake takes too long."""
        if now - self._since > self._counted.limits.header_seconds:
            self._end("TLS handshake too slow")

    def _shake(self, data: bytes) -> None:
        try:
            self._is_done = self._line.shake(data)
        except ssl.SSLError as error:
            self._line.flush()
            self._counted.ended("TLS too old" if error.reason in _OLD else "TLS handshake failed", self._host)
            self._raw.close()
            return
        if self._is_done:
            self._leave()
            self._guard.connection_made(self._line)
            self._deliver()

    def _refuse_http(self) -> None:
        self._counted.ended("HTTP without TLS", self._host)
        self._raw.write(rendered(_without_tls()))
        self._raw.close()

    def _deliver(self, data: bytes = b"") -> None:
        if clear := self._line.received(data):
            self._guard.data_received(clear)
        if self._line.has_ended:
            self._line.close()

    def _end(self, reason: str) -> None:
        self._counted.ended(reason, self._host)
        self._raw.abort()

    def _leave(self) -> None:
        self.queue.leave(self, self._address)
        self._counted.leave(self)
        self._state.connections.discard(self)


def _has_left(transport: asyncio.Transport) -> bool:
    # Asked of the system, for the event loop learns it when it comes to read.
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), _LEFT)
    return bool(poll.poll(0))


def _without_tls() -> ServiceError:
    return ServiceError(
        "BadRequestInvalid",
        "Expected a request over TLS, received one without. Begin the address with https://.",
    )


class HandshakeQueue:
    """The connections of one event loop that wait for their handshake.

    A handshake takes some milliseconds of a processor, many times what it costs the client. The loop computes
    one in each of its turns, so that requests go on between them. An address that has used its part of a
    second waits for the next second.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, dict[Shaking, None]] = {}  # addresses, and those of each, in their order
        self._used: dict[str, float] = {}  # seconds, of this window
        self._is_due = False

    def enter(self, connection: Shaking, address: str) -> None:
        """Let a connection proceed in a later turn of the loop."""
        self._waiting.setdefault(address, {})[connection] = None
        self._wake()

    def leave(self, connection: Shaking, address: str) -> None:
        """Forget a connection, whether it waits or not."""
        waiting = self._waiting.get(address, {})
        waiting.pop(connection, None)
        if not waiting:
            self._waiting.pop(address, None)

    def _wake(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        self._is_due = False
        address = next((one for one in self._waiting if self._used.get(one, 0.0) < MOST_SECONDS), None)
        if address is None:
            return
        waiting = self._waiting.pop(address)
        connection = next(iter(waiting))
        del waiting[connection]
        if waiting:
            self._waiting[address] = waiting  # behind the other addresses
        self._wake()
        if not self._used:
            asyncio.get_running_loop().call_later(WINDOW_SECONDS, self._renew)
        before = time.thread_time()
        try:
            connection.proceed()
        finally:
            self._used[address] = self._used.get(address, 0.0) + time.thread_time() - before

    def _renew(self) -> None:
        self._used.clear()
        self._wake()
