"""Where requests end, however they are cut when they come."""

from __future__ import annotations

import h11
import pytest

from dahlia.errors import ServiceError
from dahlia.http.framing import MAX_CHUNK_LINE, MAX_HEADER, Framing, Phase

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
EMPTY = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
CHUNKS = CHUNKED + b"5;a=b\r\nhello\r\n0a \r\n0123456789\r\n0\r\n\r\n"
TRAILED = CHUNKED + b"1\r\na\r\n0\r\nA: b\r\nB: c\r\n\r\n"
OLD = b"GET /a HTTP/1.0\r\n\r\n"
MANY = b"GET /a HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 99 + b"\r\n"
WHOLE = [GET, POST, EMPTY, CHUNKS, TRAILED, OLD, MANY]


def given_of(pieces: list[bytes]) -> list[bytes]:
    """What the parser gets, request by request."""
    framing = Framing()
    requests = [b""]
    for piece in pieces:
        requests[-1] += framing.feed(piece)
        while framing.phase is Phase.ENDED:
            framing.begin()
            requests.append(framing.feed(b""))
    assert framing.waiting == 0
    assert requests.pop() == b""
    return requests


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
def test_requests_are_given_one_by_one_however_they_come(size: int) -> None:
    stream = b"".join(WHOLE)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert given_of(pieces) == WHOLE


@pytest.mark.parametrize("request_", WHOLE)
def test_a_parser_agrees_on_the_end(request_: bytes) -> None:
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER)
    parser.receive_data(request_ + b"GET")
    while not isinstance(event := parser.next_event(), h11.EndOfMessage):
        assert event is not h11.NEED_DATA
    assert parser.trailing_data[0] == b"GET"


def test_nothing_of_a_header_is_given_before_its_end() -> None:
    framing = Framing()
    for byte in POST[: POST.index(b"hello") - 1]:
        assert framing.feed(bytes([byte])) == b""
    assert framing.feed(b"\n") == POST[:-5]
    assert framing.phase is Phase.BODY
    body = b"hello"
    assert framing.feed(body) is body


def test_the_next_request_waits() -> None:
    framing = Framing()
    assert framing.feed(GET + POST + b"GE") == GET
    assert framing.feed(b"T") == b""
    assert framing.waiting == len(POST) + 3
    framing.begin()
    assert framing.feed(b"") == POST


def test_empty_lines_before_a_request_are_passed_over() -> None:
    assert given_of([b"\r\n\r\n" + GET, b"\r", b"\n" + GET]) == [GET, GET]


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_upgrades_are_not_handed_on(protocol: bytes) -> None:
    header = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\nA: upgrade: b\r\n\r\n"
    assert given_of([header]) == [GET[:-2] + b"Connection: Upgrade\r\nA: upgrade: b\r\n\r\n"]


def lines(*fields: str, first: str = "POST /a HTTP/1.1") -> bytes:
    return "\r\n".join([first, *fields, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * MAX_HEADER, 414),
        (lines(first="GET /" + "a" * MAX_HEADER + " HTTP/1.1"), 414),
        (lines("A: " + "a" * MAX_HEADER), 431),
        (lines("A: " + "a" * MAX_HEADER)[:-4], 431),
        (MANY[:-2] + b"A: b\r\n\r\n", 431),
        (CHUNKED + b"5;" + b"a" * (MAX_CHUNK_LINE + 1), 431),
        (CHUNKED + b"5;" + b"a" * (MAX_CHUNK_LINE + 1) + b"\r\n", 431),
        (CHUNKED + b"0\r\nA: " + b"a" * MAX_HEADER, 431),
        (CHUNKED + b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
        (CHUNKED + b"1\r\na\r\n" * 20_000, 431),
        (b"\x16\x03\x01", 400),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"GET / HTTP/1.1\nA", 400),
        (b"GET /\x7f", 400),
        (lines(first="GET / HTTP/1.2"), 400),
        (lines(first="GET / HTTP/2.0"), 400),
        (lines(first="GET /"), 400),
        (lines(first="GET  / HTTP/1.1"), 400),
        (lines(first="GET /a b HTTP/1.1"), 400),
        (lines(first="G\u00e9T / HTTP/1.1"), 400),
        (lines(first="CONNECT a:443 HTTP/1.1"), 400),
        (lines("A: b\0"), 400),
        (lines("A: b\rc"), 400),
        (lines("A: b\nc: d"), 400),
        (lines("A: b", "\tc"), 400),
        (lines("Host: a", "host: b"), 400),
        (lines("Content-Length: 1", "content-length: 1"), 400),
        (lines("Content-Length: 1, 1"), 400),
        (lines("Content-Length: -1"), 400),
        (lines("Content-Length: 0x1"), 400),
        (lines("Content-Length:"), 400),
        (lines("Content-Length: \u00b2"), 400),
        (lines("Content-Length: " + "9" * 19), 400),
        (lines("Content-Length\t: 1"), 400),
        (lines("Content-Length: 1", "Transfer-Encoding: chunked"), 400),
        (lines("Transfer-Encoding: gzip, chunked"), 400),
        (lines("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
        (lines("Transfer-Encoding: chunked", first="POST / HTTP/1.0"), 400),
        (CHUNKED + b"\r\n", 400),
        (CHUNKED + b"g\r\n", 400),
        (CHUNKED + b"0x5\r\n", 400),
        (CHUNKED + b"-5\r\n", 400),
        (CHUNKED + b"5\n", 400),
        (CHUNKED + b"0\r\nA: b\0\r\n\r\n", 400),
        (CHUNKED + b"0\r\nA: b\nc\r\n\r\n", 400),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_what_is_refused(sent: bytes, status: int, size: int) -> None:
    framing = Framing()

    def feed() -> None:
        for at in range(0, len(sent), size):
            framing.feed(sent[at : at + size])

    with pytest.raises(ServiceError) as caught:
        feed()
    assert caught.value.status == status
    assert framing.waiting <= MAX_HEADER + 1


def test_a_chunked_body_may_be_large() -> None:
    framing = Framing()
    assert framing.feed(CHUNKED) == CHUNKED
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    for _ in range(100):
        assert framing.feed(chunk) == chunk
    assert framing.feed(b"0\r\n\r\n") == b"0\r\n\r\n"
    assert framing.phase is Phase.ENDED
