"""The transport in between: who holds it, and whether anybody reads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dahlia.http.transport import SLOWEST_READER, CountedTransport


class Wire(asyncio.Transport):
    """Keeps what is written until a test takes it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("1.1.1.1", 1)})
        self.buffered = 0
        self.calls: list[str] = []

    def write(self, data: Any) -> None:
        self.buffered += len(data)

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def is_closing(self) -> bool:
        return "close" in self.calls

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.calls.append("eof")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def transport(wire: Wire) -> CountedTransport:
    return CountedTransport(wire)


def test_both_must_let_go(transport: CountedTransport, wire: Wire) -> None:
    transport.pause_reading()
    transport.hold()
    transport.resume_reading()
    assert wire.calls == ["pause"]
    transport.release()
    transport.release()
    assert wire.calls == ["pause", "resume"]
    transport.hold()
    transport.pause_reading()
    transport.release()
    assert transport.is_paused
    assert wire.calls == ["pause", "resume", "pause"]


def test_nothing_follows_the_last_answer(transport: CountedTransport, wire: Wire) -> None:
    transport.hold()
    transport.end_with(b"1234")
    transport.write(b"5678")
    transport.hold()
    assert wire.buffered == 4
    assert wire.calls == ["pause", "eof", "resume"]


def test_a_closing_transport_is_left_alone(transport: CountedTransport, wire: Wire) -> None:
    transport.close()
    transport.hold()
    transport.end_with(b"")
    assert wire.calls == ["close"]
    assert transport.get_extra_info("peername") == ("1.1.1.1", 1)


def test_who_reads_is_not_stuck(transport: CountedTransport, wire: Wire) -> None:
    for now in range(100):
        transport.write(bytes(100_000))  # the buffer looks alike each time
        wire.buffered = 50_000
        assert not transport.is_stuck(float(now), 10)


def test_who_does_not_read_is_stuck(transport: CountedTransport, wire: Wire) -> None:
    transport.write(b"a")
    assert [transport.is_stuck(now, 10) for now in (100.0, 110.0, 110.1)] == [False, False, True]
    wire.buffered = 0
    assert not transport.is_stuck(111, 10)
    transport.write(b"a")
    assert [transport.is_stuck(now, 10) for now in (112.0, 122.0, 122.1)] == [False, False, True]


@pytest.mark.parametrize(("rate", "stuck"), [(SLOWEST_READER // 2, True), (SLOWEST_READER, False)])
def test_who_reads_too_slowly_is_stuck(
    rate: int, stuck: bool, transport: CountedTransport, wire: Wire
) -> None:
    transport.write(bytes(10_000_000))
    answers = []
    for now in range(100):
        answers.append(transport.is_stuck(float(now), 10))
        wire.buffered -= rate
    assert any(answers) == stuck
    assert not any(answers[:10])
