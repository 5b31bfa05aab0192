"""Requests as bytes: what a client writes on its connection, and what it reads there."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_PATIENCE = 60.0  # seconds
_EXPECTS = re.compile(rb"\r\nexpect: 100-continue\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What a client reads.

    Attributes:
        status: of the final answer.
        headers: by their names in lower case.
        body: without chunks' sizes.
        interim: the statuses that came before, such as 100.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    interim: tuple[int, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Connection:
    """A connection that stays open, as clients keep theirs; `with` closes it."""

    base: str
    _socket: socket.socket = field(init=False)
    _received: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        place = urlsplit(self.base)
        self._socket = socket.create_connection((place.hostname, place.port), timeout=_PATIENCE)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> Answer:
        """Send a request, the body of one that expects 100 Continue once that has come."""
        head, end, body = request.partition(b"\r\n\r\n")
        self._socket.sendall(head + end)
        interim = []
        if _EXPECTS.search(head + b"\r\n"):
            status, _ = self._head()
            assert status == 100, status
            interim.append(status)
        self._socket.sendall(body)
        status, headers = self._head()
        content = b"" if status == 204 or head.startswith(b"HEAD ") else self._body(headers)
        return Answer(status, headers, content, tuple(interim))

    def is_closed(self) -> bool:
        """Whether the server closed the connection."""
        return not self._received and self._socket.recv(1) == b""

    def _head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        pairs = (one.split(":", 1) for one in fields)
        return int(line.split()[1]), {name.lower(): value.strip() for name, value in pairs}

    def _body(self, headers: Mapping[str, str]) -> bytes:
        assert "transfer-encoding" not in headers, "answers of the API have a length"
        length = int(headers["content-length"])
        while len(self._received) < length:
            self._more()
        body, self._received = self._received[:length], self._received[length:]
        return body

    def _more(self) -> None:
        piece = self._socket.recv(65536)
        assert piece, f"the connection ended after {self._received!r}"
        self._received += piece


def written(line: str, headers: Sequence[str], body: bytes = b"", *, chunks: int = 0) -> bytes:
    """A request.

    Args:
        line: without the version of HTTP.
        headers: lines.
        body: sent with its length, or in chunks.
        chunks: bytes of each; 0 for none.
    """
    if chunks:
        pieces = [body[start : start + chunks] for start in range(0, len(body), chunks)]
        length = "Transfer-Encoding: chunked"
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        length = f"Content-Length: {len(body)}"
    ends = [] if line.startswith("GET ") else [length]
    return "\r\n".join([f"{line} HTTP/1.1", *headers, *ends, "", ""]).encode() + body


def multipart(boundary: str, head: Sequence[str], content: bytes) -> bytes:
    """A form with one part."""
    start = "\r\n".join([f"--{boundary}", *head, "", ""]).encode()
    return start + content + f"\r\n--{boundary}--\r\n".encode()
