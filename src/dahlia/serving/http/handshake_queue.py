"""Whose TLS handshake is computed next: one at a time, of each address in turn."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class Shaking(Protocol):
        """A connection whose handshake goes on."""

        def proceed(self) -> None:
            """Compute what the client has sent."""


WINDOW_SECONDS = 1.0
MOST_SECONDS = 0.25  # of processor time in each window, for the handshakes of one address


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
