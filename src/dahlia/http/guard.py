"""uvicorn's protocols with limits before anything is parsed: sizes, deadlines, and how many there are.

A header reaches the parser when it is whole and was checked (`framing.py`), and a request when the one before
it is answered. What comes too slowly is refused, and a client that does not read is dropped. All that is used
of uvicorn's protocols is used here.
"""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.importer import import_from_string

from dahlia.errors import ServiceError
from dahlia.http.connections import Connections
from dahlia.http.framing import Framing, Phase
from dahlia.http.origins import NOBODY, Origins, readable_by_all
from dahlia.http.replies import new_id, refusal
from dahlia.http.transport import CountedTransport

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Protocol  # the others have the same names
else:
    _Protocol = object

_PARSERS = dict(HTTP_PROTOCOLS)  # as they come, before anybody puts a guarded one there
SLOWEST_BODY = 32 * 1024  # bytes per second that a body must come with beyond `stalled_seconds`
MAX_DISCARD = 64 * 1024 * 1024  # bytes that are read of a body after its request was answered
LINGER_SECONDS = 2.0  # for which a refused client may go on sending, so that it reads the refusal


def guarded(
    parser: Literal["auto", "h11"], connections: Connections, origins: Origins = NOBODY
) -> type[asyncio.Protocol]:
    """A protocol for `uvicorn.Config(http=...)`.

    Args:
        parser: `h11`, or the fastest that there is.
        connections: counts those of this process.
        origins: whose pages may read answers; they read refusals that are given here where all of them may.
    """
    logging.getLogger("uvicorn.error").addFilter(_is_not_counted)
    base = import_from_string(_PARSERS[parser])
    names = {"counted": connections, "refusal_headers": readable_by_all(origins)}
    return type(f"Guarded{base.__name__}", (Guard, base), names)


def _is_not_counted(record: logging.LogRecord) -> bool:
    # A line for each malformed request could fill the log; the line about connections counts them.
    return record.msg != "Invalid HTTP request received."


class Guard(_Protocol):
    """Goes before a protocol of uvicorn among the bases of a class, which has the attributes below."""

    counted: Connections
    refusal_headers: dict[str, str]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._framing = Framing()
        self._is_new = self._is_answered = True
        self._is_admitted = self._is_ended = False
        self._host = ""
        self._since = self._moved = self._checked = 0.0
        self._came = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit a connection, or answer that there are too many."""
        self.transport = self._line = CountedTransport(transport)
        peer = transport.get_extra_info("peername")
        self._host = str(peer[0]) if isinstance(peer, tuple) else ""
        self._since = self._checked = self.loop.time()
        try:
            self.counted.enter(self, self._host)
        except ServiceError as error:
            self._refuse(error, beyond(error))
            if not self.counted.linger(self):
                self._line.close()
            return
        self._is_admitted = True
        super().connection_made(self._line)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.counted.leave(self)
        if self._is_admitted:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what belongs to the request under way."""
        if self._is_ended:
            self._discard(len(data))
            return
        if self._framing.phase is Phase.HEADER and not (self._is_new or self._framing.waiting):
            self._since = self.loop.time()
        self._advance(data)

    def on_response_complete(self) -> None:
        """Begin the next request, unless a body is still coming."""
        super().on_response_complete()
        self._is_answered = True
        self._since, self._came = self.loop.time(), 0
        if self._framing.phase is Phase.ENDED and not self._line.is_closing():
            self._begin_next()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser does not take."""
        self._refuse(_malformed(), "malformed request")

    def check(self, now: float) -> None:
        """End the connection if it takes too long; called about once a second."""
        limits, phase = self.counted.limits, self._framing.phase
        if self._is_ended:
            if now - self._since > LINGER_SECONDS:
                self._line.abort()
        elif self._line.is_stuck(now, limits.stalled_seconds):
            self._drop("answer not read")
        elif phase is Phase.HEADER:
            self._check_header(now, limits.header_seconds)
        elif phase is not Phase.ENDED:
            self._check_body(now, limits.stalled_seconds)
        self._checked = now

    def _check_header(self, now: float, seconds: float) -> None:
        if self._framing.waiting:
            if now - self._since > seconds:
                self._refuse(_late(seconds), "header too slow")
        elif now - self._since > (seconds if self._is_new else self.timeout_keep_alive + 1):
            self._line.close()

    def _check_body(self, now: float, seconds: float) -> None:
        if self._line.is_paused:  # by the application, for which the client cannot be blamed
            self._moved = now
            self._since += now - self._checked
        elif now - self._moved > seconds or now - self._since > seconds + self._came / SLOWEST_BODY:
            if self._is_answered:
                self._drop("body too slow")
            else:
                self._refuse(_slow(seconds), "body too slow")

    def _advance(self, data: bytes) -> None:
        before = self._framing.phase
        try:
            given = self._framing.feed(data)
        except ServiceError as error:
            self._refuse(error, "malformed request" if error.status == 400 else "header too large")
            return
        if before is Phase.HEADER:
            if not given:
                if self._framing.waiting:
                    self._unset_keepalive_if_required()
                return
            self._is_new = self._is_answered = False
            self._since = self.loop.time()
            self._came = 0
        if given:
            self._came += len(given)
            self._moved = self.loop.time()
            if self._is_answered and self._came > MAX_DISCARD:
                self._drop("endless request")
                return
            super().data_received(given)
        if self._framing.phase is Phase.ENDED:
            if self._is_answered:
                self._begin_next()
            elif self._framing.waiting:
                self._line.hold()

    def _begin_next(self) -> None:
        self._line.release()
        self._framing.begin()
        self._since = self.loop.time()
        if self._framing.waiting:
            self._advance(b"")

    def _discard(self, size: int) -> None:
        self._came += size
        if self._came > MAX_DISCARD:
            self._line.abort()

    def _drop(self, reason: str) -> None:
        self.counted.ended(reason, self._host)
        self._is_ended = True
        self._since = self.loop.time()
        self._line.abort()

    def _refuse(self, error: ServiceError, reason: str) -> None:
        if self._is_ended:
            return
        if self.cycle and self.cycle.response_started and not self.cycle.response_complete:
            self._drop(reason)
            return
        self.counted.ended(reason, self._host)
        self._is_ended = True
        self._since = self.loop.time()
        self._came = 0
        if self._is_admitted:
            self._unset_keepalive_if_required()
        self._line.end_with(rendered(error, self.refusal_headers))


def beyond(error: ServiceError) -> str:
    """Why a connection that `Connections` refuses is ended, for the log."""
    return "beyond the connections of one address" if error.status == 429 else "beyond all connections"


def rendered(error: ServiceError, headers: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """A refusal as bytes of HTTP/1.1, after which the connection ends."""
    error.unread = True
    response = refusal(error)
    response.headers.update(headers)
    response.headers["apim-request-id"] = new_id()
    lines = [f"HTTP/1.1 {error.status} {http.HTTPStatus(error.status).phrase}".encode()]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*lines, b"", b""]) + bytes(response.body)


def _malformed() -> ServiceError:
    return ServiceError(
        "BadRequestInvalid",
        "Expected a request of HTTP/1.1, received something else. Let an HTTP library write it.",
    )


def _late(seconds: float) -> ServiceError:
    return ServiceError(
        "BadRequestInvalid",
        f"Expected a request's header within {seconds:g} seconds, received a part. Send it at once.",
        status=408,
    )


def _slow(seconds: float) -> ServiceError:
    return ServiceError(
        "BadRequestInvalid",
        f"Expected a body that comes with {SLOWEST_BODY // 1024} KB per second and never pauses for "
        f"{seconds:g} seconds, received a slower one. Send less at once.",
        status=408,
    )
