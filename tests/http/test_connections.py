"""How many connections there may be, counted without any."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterator

import pytest

from dahlia.errors import ServiceError
from dahlia.http import connections as module
from dahlia.http.connections import MAX_LINGERING, Connections, Limits, read_proxies

LIMITS = Limits(connections=20, per_address=5, proxies=read_proxies("10.0.0.0/8"))


class Open:
    """A connection that says when it was asked."""

    def __init__(self) -> None:
        self.checks = 0

    def check(self, now: float) -> None:
        self.checks += 1


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def entered(connections: Connections, *hosts: str) -> tuple[list[Open], list[int]]:
    """Those that got in, and the statuses of those that did not."""
    inside, statuses = [], []
    for host in hosts:
        one = Open()
        try:
            connections.enter(one, host)
        except ServiceError as error:
            statuses.append(error.status)
        else:
            inside.append(one)
    return inside, statuses


@pytest.mark.parametrize(
    ("hosts", "statuses"),
    [
        (["1.1.1.1"] * 7, [429, 429]),
        (["1.1.1.1"] * 6 + ["1.1.1.2"] * 5, [429]),
        (["::ffff:1.1.1.1", "1.1.1.1"] * 3, [429]),
        ([f"2001:db8::{n}" for n in range(7)], [429, 429]),
        ([f"2001:db8:0:{n}::1" for n in range(7)], []),
        (["fe80::1%eth0"] * 6, [429]),
        (["10.0.0.1"] * 19, [429]),
        (["10.0.0.1"] * 19 + ["1.1.1.1"] * 3, [429, 503]),
        ([""] * 19, [429]),
        ([f"1.1.1.{n}" for n in range(22)], [503, 503]),
    ],
)
def test_shares(loop: asyncio.AbstractEventLoop, hosts: list[str], statuses: list[int]) -> None:
    async def run() -> list[int]:
        return entered(Connections(LIMITS), *hosts)[1]

    assert loop.run_until_complete(run()) == statuses


def test_a_place_is_free_again_once_a_connection_has_left(loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        connections = Connections(LIMITS)
        inside, _ = entered(connections, *["1.1.1.1"] * 5)
        for one in inside:
            connections.leave(one)
            connections.leave(one)
        assert entered(connections, *["1.1.1.1"] * 6)[1] == [429]

    loop.run_until_complete(run())


@pytest.mark.parametrize(
    ("files", "most", "said"),
    [(None, 20, False), (20_000, 20, False), (148, 20, False), (140, 12, True), (100, 1, True)],
)
def test_fewer_where_the_process_may_open_fewer_files(
    files: int | None, most: int, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert Connections(LIMITS, files).most == most
    assert ("ulimit -n" in caplog.text) == said


def test_few_of_the_refused_stay_for_a_moment() -> None:
    connections = Connections(LIMITS)
    stayed = [connections.linger(Open()) for _ in range(MAX_LINGERING + 2)]
    assert stayed == [True] * MAX_LINGERING + [False] * 2


def test_open_ones_are_checked_and_the_log_says_why_others_ended(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.01)

    async def run() -> None:
        connections = Connections(LIMITS)
        (one,), _ = entered(connections, "1.1.1.1")
        refused = Open()
        connections.linger(refused)
        for _ in range(3):
            connections.ended("header too large", "9.9.9.9")
        while one.checks < 5:
            await asyncio.sleep(0.01)
        assert refused.checks >= 4
        connections.ended("malformed request", "9.9.9.9")  # within the minute: said later
        connections.leave(one)
        await asyncio.sleep(0.05)
        before = one.checks
        await asyncio.sleep(0.05)
        assert one.checks == before

    with caplog.at_level(logging.WARNING, logger="dahlia.connections"):
        loop.run_until_complete(run())
    assert [record.getMessage() for record in caplog.records] == [
        "Connections refused or ended: 3 x header too large; the last from 9.9.9.9."
    ]


def test_a_loop_that_was_held_up_asks_at_the_next_time(loop: asyncio.AbstractEventLoop) -> None:
    # Its timers may run before it reads what came while it stood still.
    async def run() -> list[int]:
        connections = Connections(LIMITS)
        (one,), _ = entered(connections, "1.1.1.1")
        counts = []
        for latest in (math.inf, 0.0, 0.0, 0.0, math.inf):
            connections._check(latest)
            counts.append(one.checks)
        return counts

    assert loop.run_until_complete(run()) == [1, 1, 2, 2, 3]
