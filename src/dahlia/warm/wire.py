"""What client and warm process say to each other, over a Unix socket.

    client       the request as JSON after its length; the standard streams' descriptors beside it
    supervision  OFFER; or the connection ends: then the client runs the command itself
    client       GO
    supervision  when the command has ended: its exit code, the negative of the signal that ended it, or
                 NEVER_STARTED
    client       meanwhile, a byte for each signal that it received

Clients wait for these imports, so there are few.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, NamedTuple

OFFER, GO = b"o", b"g"
NEVER_STARTED = -1000
PATIENCE = 5.0  # seconds for a step until GO

_LENGTH, _STATUS = struct.Struct("!I"), struct.Struct("!i")
_STREAMS = 3


class Request(NamedTuple):
    """A command as its client was started.

    Attributes:
        program: `dahlia`, `dvc` or `export`.
        arguments: `sys.argv`.
        executable: `sys.executable`.
        folder: the working directory.
        umask: for new files.
        ignored: numbers of the signals that are ignored.
        environment: its variables.
        likeness: see `dahlia.warm.likeness`.
    """

    program: str
    arguments: list[str]
    executable: str
    folder: str
    umask: int
    ignored: list[int]
    environment: dict[str, str]
    likeness: dict[str, Any]


def send_request(connection: socket.socket, request: Request) -> None:
    """Send a request and this process's standard streams.

    Raises:
        OSError: the connection is gone, or a stream is closed.
    """
    body = json.dumps(request).encode()
    socket.send_fds(connection, [_LENGTH.pack(len(body))], range(_STREAMS))
    connection.sendall(body)


def receive_request(connection: socket.socket) -> tuple[Request, list[int]]:
    """Receive a request and three descriptors, which are the caller's to close.

    Raises:
        OSError: the connection is gone.
    """
    length, streams, _, _ = socket.recv_fds(connection, _LENGTH.size, _STREAMS)
    if len(length) != _LENGTH.size or len(streams) != _STREAMS:
        raise ConnectionError("The client left before it had asked.")
    return Request(*json.loads(_receive(connection, _LENGTH.unpack(length)[0]))), streams


def send_status(connection: socket.socket, status: int) -> None:
    """Say how the command ended.

    Raises:
        OSError: the connection is gone.
    """
    connection.sendall(_STATUS.pack(status))


def receive_status(connection: socket.socket) -> int:
    """Wait for the end of the command.

    Raises:
        OSError: the connection is gone.
    """
    return int(_STATUS.unpack(_receive(connection, _STATUS.size))[0])


def _receive(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise ConnectionError("The connection ended within a message.")
        received += part
    return bytes(received)
