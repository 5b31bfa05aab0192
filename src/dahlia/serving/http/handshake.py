"""TLS before the guard: connections count, and have a deadline, before their handshake."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from dahlia.errors import ServingError
from dahlia.serving.http.guard import Guard, beyond

if TYPE_CHECKING:

    class Certified(Protocol):
        """Has the context for the next handshake; a renewed certificate brings another."""

        @property
        def context(self) -> ssl.SSLContext:
            """Of the certificate in use."""


_REASONS = {
    "HTTP_REQUEST": "HTTP without TLS",
    "HTTPS_PROXY_REQUEST": "HTTP without TLS",
    "UNSUPPORTED_PROTOCOL": "TLS too old",
    "TLSV1_ALERT_PROTOCOL_VERSION": "TLS too old",
}


def with_tls(guard: type[asyncio.Protocol], certificate: Certified) -> type[asyncio.Protocol]:
    """A protocol for `uvicorn.Config(http=...)` that puts TLS before a guarded one.

    Args:
        guard: of `guarded`.
        certificate: is asked at each connection.
    """
    return type(f"Tls{guard.__name__}", (Handshake,), {"guard": guard, "certificate": certificate})


class Handshake(asyncio.Protocol):
    """Counts a connection, makes the handshake, and hands over to the guard, which counts it from then on.

    Args:
        server_state: of uvicorn, which ends the connections in it when it stops.
        options: the rest of what uvicorn gives its protocols, for the guard.
    """

    guard: Callable[..., Guard]
    certificate: Certified

    def __init__(self, server_state: Any, **options: Any) -> None:
        self._state = server_state
        self._guard = self.guard(server_state=server_state, **options)
        self._early = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the handshake, unless there are too many connections."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._host = str(peer[0]) if isinstance(peer, tuple) else ""
        counted = self._guard.counted
        try:
            counted.enter(self, self._host)
        except ServingError as error:  # no answer can be read before a handshake, which costs a millisecond
            counted.ended(beyond(error), self._host)
            transport.abort()
            return
        self._state.connections.add(self)
        self._task = asyncio.get_running_loop().create_task(self._begin(transport))

    def data_received(self, data: bytes) -> None:
        """Keep what comes together with the handshake's last bytes."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._leave()

    def shutdown(self) -> None:
        """End it; uvicorn's word for that."""
        if self._transport:
            self._transport.abort()

    def check(self, now: float) -> None:
        """The deadline is that of the handshake itself."""

    async def _begin(self, transport: asyncio.Transport) -> None:
        limits = self._guard.counted.limits
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                self.certificate.context,
                server_side=True,
                ssl_handshake_timeout=limits.header_seconds,
                ssl_shutdown_timeout=limits.stalled_seconds,
            )
        except OSError as error:
            if reason := _reason(error):
                self._guard.counted.ended(reason, self._host)
            self._leave()
            return
        self._leave()
        if secured is None or secured.is_closing():  # the client went away
            return
        secured.set_protocol(self._guard)
        self._guard.below = transport
        self._guard.connection_made(secured)
        if self._early:
            self._guard.data_received(bytes(self._early))

    def _leave(self) -> None:
        self._guard.counted.leave(self)
        self._state.connections.discard(self)


def _reason(error: OSError) -> str:
    """Why it failed; nothing where the client went away, as those do that look for an open port."""
    if isinstance(error, ssl.SSLError):
        return _REASONS.get(error.reason or "", "TLS handshake failed")
    return "TLS handshake too slow" if isinstance(error, ConnectionAbortedError) else ""
