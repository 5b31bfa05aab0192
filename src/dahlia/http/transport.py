"""A transport that counts what is written, may be held by two hands, and knows when nobody reads."""

from __future__ import annotations

import asyncio
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
