"""Load on a prediction service: of clients that wait for answers, and at a rate that waits for nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from serving_model import PROJECT_ID
from serving_processes import Running, memory

CONNECTIONS = 8
MOST_OPEN = 4096

_IDLE_SECONDS = 2.0  # the server closes a connection after 5
_DRAIN_SECONDS = 10.0
_TICK = 0.001
_BURST = 256


def run_first() -> None:
    """Let this process run before all others, where it may, as if it were on another machine."""
    with contextlib.suppress(AttributeError, PermissionError):
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(1))


@dataclass
class Outcome:
    """What came back.

    Attributes:
        codes: answers by status, and what broke by what happened.
        accepted: seconds until each 200.
        shed: seconds until each 429.
        unhelpful: 429 without `Retry-After`.
        late: seconds that each request was sent after it was due.
        memory: bytes of the service's processes, each second.
        seconds: for how long requests were sent.
        share: of one core that the generator took.
    """

    codes: Counter[str] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)
    shed: list[float] = field(default_factory=list)
    unhelpful: int = 0
    late: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    seconds: float = 0.0
    share: float = 0.0

    @property
    def rate(self) -> float:
        """200s in a second."""
        return len(self.accepted) / self.seconds

    @property
    def waiting(self) -> int:
        """Requests that were sent and have come to no end."""
        return len(self.late) - self.codes.total()

    def count(self, status: str, seconds: float, *, retry: bool) -> None:
        """Add an answer."""
        self.codes[status] += 1
        if status == "200":
            self.accepted.append(seconds)
        elif status == "429":
            self.shed.append(seconds)
            self.unhelpful += not retry

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure a block, in which requests are sent."""
        began, used = time.perf_counter(), time.process_time()
        yield
        self.seconds = time.perf_counter() - began
        self.share = (time.process_time() - used) / self.seconds


class Connection(asyncio.Protocol):
    """Sends one request after the other, and counts what comes back.

    Args:
        outcome: where answers are counted.
        free: is told of a connection that may be asked again.
    """

    def __init__(self, outcome: Outcome, free: Callable[[Connection], None]) -> None:
        self._outcome = outcome
        self._free = free
        self._transport: Any = None
        self._due: float | None = None
        self._since = 0.0
        self._data = b""

    @property
    def usable(self) -> bool:
        """Whether it may be asked again."""
        fresh = time.perf_counter() - self._since < _IDLE_SECONDS
        return fresh and self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that was due at a moment."""
        self._due = due
        self._outcome.late.append(time.perf_counter() - due)
        if self._transport:
            self._transport.write(request)
        else:
            self.connection_lost(None)

    def close(self) -> None:
        """End it."""
        self._due = None
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        head = head.lower() + b"\r\n"
        if not found or len(body) < int(head.split(b"content-length: ")[1].split(b"\r\n")[0]):
            return
        self._data = b""
        self._since = time.perf_counter()
        if self._due is not None:
            retry = b"\r\nretry-after: " in head
            self._outcome.count(head[9:12].decode(), self._since - self._due, retry=retry)
            self._due = None
        if b"\r\nconnection: close" not in head:
            self._free(self)

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        if self._due is not None:
            self._outcome.codes["reset" if error else "no answer"] += 1
            self._due = None


class Load:
    """Makes load on one server.

    Args:
        server: that takes it.
        photo: the image that each request brings.
    """

    def __init__(self, server: Running, photo: bytes) -> None:
        self._server = server
        self._place = urlsplit(server.base)
        path = f"/customvision/v3.1/prediction/{PROJECT_ID}/classify/iterations/model1/image/nostore"
        head = f"POST {path} HTTP/1.1\r\nHost: {self._place.netloc}\r\nContent-Length: {len(photo)}\r\n"
        lines = head + "Content-Type: application/octet-stream\r\n"
        self._requests = {
            close: (lines + ("Connection: close\r\n" if close else "") + "\r\n").encode() + photo
            for close in (False, True)
        }

    async def closed(self, seconds: float) -> Outcome:
        """`CONNECTIONS` connections, each of which asks again once it is answered."""
        outcome = Outcome()
        ends = time.perf_counter() + seconds

        def again(one: Connection) -> None:
            if (now := time.perf_counter()) < ends:
                one.ask(self._requests[False], now)

        opened = [await self._open(outcome, again) for _ in range(CONNECTIONS)]
        with outcome.timed():
            for one in opened:
                again(one)
            await asyncio.sleep(seconds)
        await _drained(outcome)
        for one in opened:
            one.close()
        return outcome

    async def at_rate(self, rate: float, seconds: float, *, close: bool) -> Outcome:
        """So many requests in a second, whatever comes back; `close`: each on a connection of its own."""
        outcome, request = Outcome(), self._requests[close]
        idle: list[Connection] = []
        opening: set[asyncio.Task[None]] = set()

        async def ask_on_a_new_one(due: float) -> None:
            try:
                one = await self._open(outcome, idle.append)
            except OSError:
                outcome.late.append(time.perf_counter() - due)
                outcome.codes["not connected"] += 1
            else:
                one.ask(request, due)

        def send(due: float) -> None:
            while idle:
                if (one := idle.pop()).usable:
                    return one.ask(request, due)
                one.close()
            if outcome.waiting + len(opening) < MOST_OPEN:
                opening.add(task := asyncio.ensure_future(ask_on_a_new_one(due)))
                task.add_done_callback(opening.discard)
            else:
                outcome.late.append(0.0)
                outcome.codes["not sent"] += 1
            return None

        watching = asyncio.ensure_future(self._watch(outcome.memory))
        with outcome.timed():
            await _paced(rate, seconds, send)
        watching.cancel()
        await _drained(outcome)
        for one in idle:
            one.close()
        return outcome

    async def _open(self, outcome: Outcome, free: Callable[[Connection], None]) -> Connection:
        _, one = await asyncio.get_running_loop().create_connection(
            lambda: Connection(outcome, free), self._place.hostname or "", self._place.port or 80
        )
        return one

    async def _watch(self, seen: list[int]) -> None:
        while True:
            seen.append(memory(self._server.pid))
            await asyncio.sleep(1)


async def _paced(rate: float, seconds: float, send: Callable[[float], None]) -> None:
    began, sent = time.perf_counter(), 0
    while sent < rate * seconds:
        due = began + sent / rate
        if due > time.perf_counter():
            await asyncio.sleep(_TICK)
            continue
        send(due)
        sent += 1
        if sent % _BURST == 0:  # let answers in, however late this is
            await asyncio.sleep(0)


async def _drained(outcome: Outcome) -> None:
    ends = time.perf_counter() + _DRAIN_SECONDS
    while outcome.waiting and time.perf_counter() < ends:
        await asyncio.sleep(0.01)
    outcome.codes["no answer"] += outcome.waiting
