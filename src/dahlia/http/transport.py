"""Transports: one counts what is written and knows when nobody reads, one speaks TLS over another.

`asyncio` and uvloop have TLS of their own, whose connections nobody counts before their handshake, and
whose transports cannot be closed in one direction. What is written here is encrypted at once and waits in
the other transport's buffer alone, so that its flow control is that of the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

SLOWEST_READER = 4 * 1024  # bytes per second that an answer must be taken with


class CountedTransport(asyncio.Transport):
    """Stands between a protocol of uvicorn and the transport of the event loop.

    Args:
        transport: of the event loop.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._is_paused = self._is_held = False
        self._is_ended = False
        self._written = 0
        self._stuck_from: tuple[float, int] | None = None  # since when, and at which byte
        self._moved: tuple[float, int] = (0.0, 0)  # the last time that a byte was taken

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send; nothing more after the last answer."""
        if not self._is_ended:
            self._written += len(data)
            self._transport.write(data)

    def end_with(self, data: bytes) -> None:
        """Send a last answer; what still comes is read, so that the client gets to read too."""
        self.write(data)
        self._is_ended = True
        if not self._transport.is_closing():
            if self._transport.can_write_eof():
                self._transport.write_eof()
            if self._is_paused or self._is_held:
                self._is_paused = self._is_held = False
                self._transport.resume_reading()

    @property
    def is_paused(self) -> bool:
        """Whether the application does not take what comes, for now."""
        return self._is_paused

    def pause_reading(self) -> None:
        """Read no more; as the flow control of uvicorn wants."""
        self._set(paused=True, held=self._is_held)

    def resume_reading(self) -> None:
        """Read on, unless it is held."""
        self._set(paused=False, held=self._is_held)

    def hold(self) -> None:
        """Read no more until `release`."""
        self._set(paused=self._is_paused, held=True)

    def release(self) -> None:
        """Read on, unless it is paused."""
        self._set(paused=self._is_paused, held=False)

    def is_stuck(self, now: float, seconds: float) -> bool:
        """Whether the client has stopped reading, or reads as slowly as nobody does.

        Args:
            now: asked now and then, by one clock.
            seconds: that may pass without a byte, and beyond what `SLOWEST_READER` needs.
        """
        left = self._transport.get_write_buffer_size()
        if not left:
            self._stuck_from = None
            return False
        taken = self._written - left
        if self._stuck_from is None:
            self._stuck_from = self._moved = now, taken
        elif taken > self._moved[1]:
            self._moved = now, taken
        since, first = self._stuck_from
        return now - self._moved[0] > seconds or now - since > seconds + (taken - first) / SLOWEST_READER

    def _set(self, *, paused: bool, held: bool) -> None:
        before, after = self._is_paused or self._is_held, paused or held
        self._is_paused, self._is_held = paused, held
        if before == after or self._is_ended or self._transport.is_closing():
            return
        if after:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the event loop's."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """As the event loop's."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close once all is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()


_PIECE = 64 * 1024  # bytes that are read at once


class TlsTransport(asyncio.Transport):
    """The server's end of a connection.

    Attributes:
        has_ended: whether the client has said that it sends no more.

    Args:
        transport: of the event loop.
        context: of the server's certificate.
        deliver: is called when what waits may be given out again.
    """

    def __init__(
        self, transport: asyncio.Transport, context: ssl.SSLContext, deliver: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._deliver = deliver
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_paused = self._is_ended = False
        self.has_ended = False

    def shake(self, data: bytes) -> bool:
        """Go on with the handshake; gives whether it is done.

        Raises:
            ssl.SSLError: it fails; `flush` tells the client why.
        """
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
            is_done = True
        except ssl.SSLWantReadError:
            is_done = False
        self.flush()
        return is_done

    def received(self, data: bytes = b"") -> bytes:
        """All that was sent, in clear; nothing while the transport is paused.

        Args:
            data: what came meanwhile.
        """
        self._incoming.write(data)
        pieces: list[bytes] = []
        while not (self._is_paused or self.is_closing() or self.has_ended):
            try:
                pieces.append(self._tls.read(_PIECE))
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError:
                self.abort()
            else:
                self.has_ended = not pieces[-1]
        self.flush()
        return b"".join(pieces)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        rest = memoryview(data)
        try:
            while rest and not self._is_ended:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError:
            self.abort()
        self.flush()

    def can_write_eof(self) -> bool:
        """It can."""
        return True

    def write_eof(self) -> None:
        """Say that no more is sent; what comes is still read."""
        self._say_end()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """Close once all is sent; the client's word of the end is not waited for."""
        if not self.is_closing():
            self._say_end()
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """As the event loop's."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Read no more, and give out nothing that has come."""
        self._is_paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._is_paused = False
        self._transport.resume_reading()
        asyncio.get_running_loop().call_soon(self._deliver)

    def get_write_buffer_size(self) -> int:
        """As the event loop's."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the event loop's, with `sslcontext` and `ssl_object`."""
        own = {"sslcontext": self._tls.context, "ssl_object": self._tls}
        return own[name] if name in own else self._transport.get_extra_info(name, default)

    def _say_end(self) -> None:
        if not self._is_ended:
            self._is_ended = True
            with contextlib.suppress(ssl.SSLError):  # the client has not said its end yet
                self._tls.unwrap()
            self.flush()

    def flush(self) -> None:
        """Send what TLS itself has to say."""
        if self._outgoing.pending and not self.is_closing():
            self._transport.write(self._outgoing.read())
