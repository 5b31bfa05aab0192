"""TLS before the guard: connections count, and have a deadline, before their handshake."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from dahlia.errors import ServingError
from dahlia.serving.http.guard import Guard, beyond, rendered
from dahlia.serving.http.tls_transport import TlsTransport

if TYPE_CHECKING:

    class Certified(Protocol):
        """Has the context for the next handshake; a renewed certificate brings another."""

        @property
        def context(self) -> ssl.SSLContext:
            """Of the certificate in use."""


_OLD = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION")


def with_tls(guard: type[asyncio.Protocol], certificate: Certified) -> type[asyncio.Protocol]:
    """A protocol for `uvicorn.Config(http=...)` that puts TLS before a guarded one.

    Args:
        guard: of `guarded`.
        certificate: is asked at each connection.
    """
    return type(f"Tls{guard.__name__}", (Handshake,), {"guard": guard, "certificate": certificate})


class Handshake(asyncio.Protocol):
    """Counts a connection and makes the handshake; then the guard counts it, and gets what comes in clear.

    Args:
        server_state: of uvicorn, which ends the connections in it when it stops.
        options: what else uvicorn gives its protocols, for the guard.
    """

    guard: Callable[..., Guard]
    certificate: Certified

    def __init__(self, server_state: Any, **options: Any) -> None:
        self._state = server_state
        self._guard = self.guard(server_state=server_state, **options)
        self._counted = self._guard.counted
        self._is_done = False
        self._host = ""
        self._since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the handshake, unless there are too many connections."""
        self._raw = transport
        peer = transport.get_extra_info("peername")
        self._host = str(peer[0]) if isinstance(peer, tuple) else ""
        self._since = asyncio.get_running_loop().time()
        try:
            self._counted.enter(self, self._host)
        except (
            ServingError
        ) as error:  # a client reads an answer after a handshake alone, which costs too much
            self._end(beyond(error))
            return
        self._state.connections.add(self)
        self._line = TlsTransport(transport, self.certificate.context, self._deliver)

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake, or hand on what comes."""
        if self._is_done:
            self._deliver(data)
        elif not self._raw.is_closing():
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
            self._refuse(error.reason or "", data)
            return
        if self._is_done:
            self._leave()
            self._guard.connection_made(self._line)
            self._deliver()

    def _refuse(self, reason: str, data: bytes) -> None:
        if data[:1].isalpha():  # a method; the first byte of what TLS sends is a control character
            self._raw.write(rendered(_without_tls()))
            said = "HTTP without TLS"
        else:
            self._line.flush()
            said = "TLS too old" if reason in _OLD else "TLS handshake failed"
        self._counted.ended(said, self._host)
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
        self._counted.leave(self)
        self._state.connections.discard(self)


def _without_tls() -> ServingError:
    return ServingError(
        "Expected a request over TLS, received one without. Begin the address with https://.",
        code="BadRequestInvalid",
        status=400,
    )
