"""Where a request ends and the next begins, found before a parser sees any of it.

Parsers differ in what they take: one has no limit on headers, another reads a line without its carriage
return. So what they are given is checked here, strictly by RFC 9112: a whole header or none of it, one
request at a time. Two readings of one request (request smuggling) and endless headers end here.
"""

from __future__ import annotations

import re
from enum import Enum

from dahlia.errors import ServiceError

MAX_HEADER = 64 * 1024  # bytes of request line and fields, and of the fields behind a chunked body
MAX_FIELDS = 100
MAX_CHUNK_LINE = 1024  # bytes of a chunk's size and its extensions
MAX_DIGITS = 18  # of a Content-Length

_END = b"\r\n\r\n"
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TEXT = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), 0x09})
_STRAY_LF = re.compile(rb"(?<!\r)\n")
_REQUEST_LINE = re.compile(rb"(?!CONNECT )[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ \r]+ HTTP/1\.([01])\r\n")
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|host|upgrade)([ \t]*):([^\r]*)", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")


class Phase(Enum):
    """What comes next on a connection."""

    HEADER = 1
    BODY = 2
    CHUNK_LINE = 3
    CHUNK = 4
    TRAILER = 5
    ENDED = 6


class Framing:
    """Gives out what comes on a connection, one checked request at a time; what comes too early waits."""

    __slots__ = ("_frames", "_left", "_payload", "_searched", "_waiting", "phase")

    def __init__(self) -> None:
        self.phase = Phase.HEADER
        self._waiting = bytearray()
        self._searched = 0  # how far the end of a header was looked for
        self._left = 0  # bytes of a body or chunk
        self._payload = self._frames = 0  # bytes in chunks, and around them

    @property
    def waiting(self) -> int:
        """Bytes that came and were not given out."""
        return len(self._waiting)

    def feed(self, data: bytes) -> bytes:
        """What the parser may have, after more has come.

        Raises:
            ServiceError: it is no request of HTTP/1.1, or its header is too large. The connection must end.
        """
        if not self._waiting:
            end, given = self._advance(data)
            if end == len(data):
                return given
            self._waiting += data[end:]
            return given
        self._waiting += data
        end, given = self._advance(self._waiting)
        del self._waiting[:end]
        return given

    def begin(self) -> None:
        """Begin the next request; `feed(b"")` gives what has come of it already."""
        self.phase = Phase.HEADER

    def _advance(self, data: bytes | bytearray) -> tuple[int, bytes]:
        position, start, given = 0, 0, b""
        if self.phase is Phase.HEADER:
            position, given = self._header(data)
            start = position
        while position < len(data) and self.phase is not Phase.ENDED:
            if self.phase in (Phase.BODY, Phase.CHUNK):
                moved = self._content(len(data) - position)
            elif self.phase is Phase.CHUNK_LINE:
                moved = self._chunk_line(data, position)
            elif self.phase is Phase.TRAILER:
                moved = self._trailer(data, position)
            else:
                break
            if not moved:
                break
            position += moved
        if position == len(data) and not start and isinstance(data, bytes):
            return position, data
        return position, given + bytes(data[start:position])

    def _header(self, data: bytes | bytearray) -> tuple[int, bytes]:
        begin = 0
        while data.startswith(b"\r\n", begin):  # some clients end a body with a line that it does not have
            begin += 2
        end = data.find(_END, max(begin, self._searched))
        if end < 0:
            _check_beginning(data, begin, self._searched)
            self._searched = max(0, len(data) - len(_END) + 1 - begin)
            return begin, b""
        self._searched = 0
        header = bytes(data[begin : end + len(_END)])
        if len(header) > MAX_HEADER:
            raise _too_large(header)
        return end + len(_END), self._checked(header)

    def _checked(self, header: bytes) -> bytes:
        line = _REQUEST_LINE.match(header)
        if not line:
            raise _malformed("a first line such as `GET / HTTP/1.1`", "another")
        _check_fields(header, 2)
        found: dict[bytes, bytes] = {}
        for match in _FRAMING.finditer(header, line.end() - 2):
            name = match[1].lower()
            if match[2] or (name in found and name != b"upgrade"):
                raise _malformed(f"{name.decode()} once, with a colon behind it", "something else")
            found[name] = match[3].strip(b" \t")
        self._frame(found, is_old=line[1] == b"0")
        return _FRAMING.sub(_without_upgrade, header) if b"upgrade" in found else header

    def _frame(self, found: dict[bytes, bytes], *, is_old: bool) -> None:
        length, coding = found.get(b"content-length"), found.get(b"transfer-encoding")
        self._payload = self._frames = 0
        if coding is not None:
            if length is not None or is_old or coding.lower() != b"chunked":
                raise _malformed("either Content-Length or `Transfer-Encoding: chunked`", "something else")
            self.phase = Phase.CHUNK_LINE
        elif length is None:
            self.phase = Phase.ENDED
        elif length.isdigit() and len(length) <= MAX_DIGITS:
            self._left = int(length)
            self.phase = Phase.BODY if self._left else Phase.ENDED
        else:
            raise _malformed("a Content-Length in digits", "something else")

    def _content(self, there: int) -> int:
        moved = min(there, self._left)
        self._left -= moved
        if not self._left:
            self.phase = Phase.ENDED if self.phase is Phase.BODY else Phase.CHUNK_LINE
        return moved

    def _chunk_line(self, data: bytes | bytearray, position: int) -> int:
        line = _CHUNK.match(data, position)
        if not line:
            if len(data) - position > MAX_CHUNK_LINE:
                raise _too_large(b"\n")
            if b"\n" in data[position:]:
                raise _malformed("a chunk's size in hexadecimal digits", "something else")
            return 0
        size, moved = int(line[1], 16), line.end() - position
        self._payload += size
        self._frames += moved + 2
        if moved > MAX_CHUNK_LINE or self._frames > MAX_HEADER + self._payload:
            raise _too_large(b"\n")
        self._left = size + 2  # and the end of its line
        self.phase = Phase.CHUNK if size else Phase.TRAILER
        return moved

    def _trailer(self, data: bytes | bytearray, position: int) -> int:
        if data.startswith(b"\r\n", position):
            self.phase = Phase.ENDED
            return 2
        end = data.find(_END, position + self._searched)
        if (len(data) if end < 0 else end) - position > MAX_HEADER:
            raise _too_large(b"\n")
        if end < 0:
            self._searched = max(0, len(data) - position - len(_END) + 1)
            return 0
        self._searched = 0
        _check_fields(bytes(data[position : end + len(_END)]), 1)
        self.phase = Phase.ENDED
        return end + len(_END) - position


def _without_upgrade(match: re.Match[bytes]) -> bytes:
    # A server may ignore it (RFC 9110, 7.8); parsers would wait for another protocol.
    return b"" if match[1].lower() == b"upgrade" else match[0]


def _check_beginning(data: bytes | bytearray, begin: int, searched: int) -> None:
    if len(data) - begin > MAX_HEADER:
        raise _too_large(data)
    if _BINARY.search(data, searched) or _STRAY_LF.search(data, searched):
        raise _malformed("HTTP/1.1", "something else, perhaps TLS")


def _check_fields(header: bytes, others: int) -> None:
    if header.count(b"\r\n") - others > MAX_FIELDS:
        raise _too_large(header)
    stray = header.replace(b"\r\n", b"").translate(None, _TEXT)
    if stray or b"\n " in header or b"\n\t" in header:  # the latter go on with the line before
        raise _malformed("header lines of text that end with CR LF", "others")


def _too_large(data: bytes | bytearray) -> ServiceError:
    of_line = b"\n" not in data[:MAX_HEADER]
    return ServiceError(
        "BadRequestInvalid",
        f"Expected a header of at most {MAX_HEADER // 1024} KB and {MAX_FIELDS} fields, received a larger "
        + ("one. Send a shorter address." if of_line else "one. Send fewer or shorter fields."),
        status=414 if of_line else 431,
    )


def _malformed(expected: str, received: str) -> ServiceError:
    return ServiceError(
        "BadRequestInvalid",
        f"Expected {expected}, received {received}. Let an HTTP library write the request.",
    )
