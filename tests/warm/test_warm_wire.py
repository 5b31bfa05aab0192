from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from dahlia.warm import protocol

REQUEST = protocol.Request(
    program="dahlia",
    arguments=["dahlia", "ä", "\udcff", ""],
    executable="/bin/python",
    folder="/a folder",
    umask=0o22,
    ignored=[1],
    environment={"LONG": "x" * 500_000, "LINES": "a\nb"},
    likeness={"Python": ["3", 1]},
)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


def test_a_request_arrives_as_it_was(pair: tuple[socket.socket, socket.socket]) -> None:
    small = REQUEST._replace(environment={"LINES": "a\nb"})
    protocol.send_request(pair[0], small)
    received, streams = protocol.receive_request(pair[1])
    assert received == small
    assert [os.fstat(stream).st_ino for stream in streams] == [os.fstat(own).st_ino for own in range(3)]
    for stream in streams:
        os.close(stream)


@pytest.mark.parametrize("status", [0, 255, -9, protocol.NEVER_STARTED])
def test_a_status_arrives(pair: tuple[socket.socket, socket.socket], status: int) -> None:
    protocol.send_status(pair[0], status)
    assert protocol.receive_status(pair[1]) == status


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\0\0\0\5[1"])
def test_what_is_cut_is_an_error(pair: tuple[socket.socket, socket.socket], sent: bytes) -> None:
    pair[0].sendall(sent)
    pair[0].close()
    with pytest.raises(OSError, match=r"left before|within a message"):
        protocol.receive_request(pair[1])


def test_a_lost_connection_is_an_error(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    with pytest.raises(OSError, match="within a message"):
        protocol.receive_status(pair[1])
