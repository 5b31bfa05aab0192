"""The image, or its address, in a request's body, which is read no further than it may be large or late."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import anyio

from dahlia.errors import ServiceError
from dahlia.http.documents import MalformedDocument, read_document
from dahlia.http.form_images import FIELD, read_form, refuse_fields, too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.datastructures import Headers
    from starlette.types import Message, Receive, Scope

MAX_IMAGE = 4 * 1024 * 1024
_AROUND = 64 * 1024  # the multipart lines around an image
MAX_BODY = MAX_IMAGE + _AROUND
MAX_DISCARD = 8 * MAX_BODY
_MOST_ADDRESS = 64 * 1024  # bytes of a body with an address, which is read on the loop
SECONDS = 60  # for the whole body of a prediction
_OF_THE_BODY = (b"content-type", b"content-length", b"transfer-encoding")


class Disconnected(Exception):  # noqa: N818
    """The client went away before its body had arrived."""


class TooLarge(Exception):  # noqa: N818
    """A body that has more bytes than it may.

    Args:
        size: bytes that have come.
        ended: whether that was all of it.
    """

    def __init__(self, size: int, *, ended: bool) -> None:
        self.size = size
        self.ended = ended


class Pace:
    """How slowly a body may come; starts when it is made.

    Args:
        pause: seconds that may pass without a byte.
        grace: seconds for a small body.
        slowest: bytes per second that a larger one must come with.
    """

    def __init__(self, pause: float, grace: float, slowest: int) -> None:
        self.pause = pause
        self._grace = grace
        self._slowest = slowest
        self._deadline = anyio.current_time() + grace

    def check(self, size: int, total: int) -> None:
        """Count a piece of `size` bytes, after which `total` have come.

        Raises:
            TimeoutError: they came too slowly.
        """
        now = anyio.current_time()
        left = self._grace if total < self._grace * self._slowest else self.pause
        # What came quickly is no credit for later: it would be held for hours.
        self._deadline = min(self._deadline + size / self._slowest, now + left)
        if now > self._deadline:
            raise TimeoutError


async def collect(
    receive: Receive, most: int, hold: Callable[[int], None], pace: Pace | None = None
) -> bytes:
    """Read a whole body.

    Args:
        receive: gives it.
        most: bytes that it may have.
        hold: is told of every piece that is kept, and may refuse it.
        pace: with which it must come.

    Raises:
        TooLarge: it has more bytes.
        TimeoutError: it comes too slowly.
        Disconnected: the client went away.
        ServiceError: `hold` refused a piece.
    """
    size = 0
    with io.BytesIO() as kept:  # grows in place, and is freed at once where the body is refused
        while True:
            with anyio.fail_after(pace.pause if pace else None):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk = message.get("body", b"")
            size += len(chunk)
            ended = not message.get("more_body", False)
            if size > most:
                raise TooLarge(size, ended=ended)
            try:
                hold(len(chunk))
            except ServiceError as error:
                error.unread = not ended
                raise
            kept.write(chunk)
            if ended:
                return kept.getvalue()
            if pace:
                pace.check(len(chunk), size)


async def discard(receive: Receive, most: int, seconds: float) -> bool:
    """Throw away what is still coming of a body: a client that is sending reads no answer.

    Args:
        receive: gives it.
        most: bytes after which it is given up.
        seconds: for which it is taken.

    Returns:
        Whether the body has come to its end.

    Raises:
        Disconnected: the client has gone.
    """
    size = 0
    with anyio.move_on_after(seconds):
        while size < most:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            size += len(message.get("body", b""))
            if not message.get("more_body", False):
                return True
    return False


async def read_body(
    receive: Receive, headers: Headers, hold: Callable[[int], None], most: int = MAX_IMAGE
) -> bytes:
    """Read the whole body of a prediction, in `SECONDS`.

    A body over the limit is not kept. What is left of it is thrown away, up to `MAX_DISCARD` bytes, since a
    client that is still sending would otherwise see a broken connection and never read the answer.

    Args:
        receive: gives the body.
        headers: of the request.
        hold: is told of every chunk that is kept, and may refuse it.
        most: bytes that an image may have.

    Raises:
        ServiceError: it is compressed or too large, does not arrive in time, or was refused by `hold`.
        Disconnected: the client went away.
    """
    refuse_compressed(headers)
    kept, readable = most + _AROUND, max(most + _AROUND, MAX_DISCARD)
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > readable:
        raise too_large(most, unread=True)
    deadline = anyio.current_time() + SECONDS
    try:
        with anyio.fail_after(SECONDS):
            return await collect(receive, kept, hold)
    except TooLarge as error:
        left = deadline - anyio.current_time()
        ended = error.ended or await discard(receive, readable - error.size + 1, left)
        raise too_large(most, unread=not ended) from None
    except TimeoutError:
        raise ServiceError(
            "BadRequestImageStream",
            f"Expected the whole request within {SECONDS} seconds, received a part. Send a smaller image.",
            status=408,
            unread=True,
        ) from None


def refuse_compressed(headers: Headers) -> None:
    """Let bodies pass that are sent as they are.

    Raises:
        ServiceError: this one is compressed, and was not read.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise ServiceError(
            "UnsupportedMediaType",
            f"Expected a body as it is, received one with the header Content-Encoding: {encoding[:40]}. "
            "Compressed bodies are not taken: send it without that encoding.",
            unread=True,
        )


def image_of(
    body: bytes,
    content_type: str,
    field: str = FIELD,
    most: int = MAX_IMAGE,
    parameters: Collection[str] = (),
) -> bytes:
    """The one image in a body: the file of its form, or else the body itself.

    Args:
        body: the whole body.
        content_type: the request's header.
        field: the usual name of the form's field, in any case.
        most: bytes that it may have.
        parameters: names of the query, which as fields of the form would not count.

    Raises:
        ServiceError: there is none or several, it is empty or too large, or a parameter is a field.
    """
    form = read_form(body, content_type, field)
    form.refuse_texts(parameters)
    return form.only_image(most)


def address_of(body: bytes, content_type: str = "", parameters: Collection[str] = ()) -> str:
    """The address in a body such as `{"url": "https://..."}`; the name in any case.

    XML and forms will do as well; an address by itself will not, as no content type stands for it.

    Args:
        body: the whole body.
        content_type: the request's header.
        parameters: names of the query, which as fields of the body would not count.

    Raises:
        ServiceError: there is none, or a parameter is a field.
    """
    if len(body) > _MOST_ADDRESS:
        raise _no_address(f"{len(body) >> 10} KB of something else")
    try:
        given = read_document(body, content_type).content
        if isinstance(given, str) and given.lstrip()[:1] == "{":  # JSON that was encoded twice
            given = read_document(given.encode()).content
    except MalformedDocument as error:
        raise _no_address(error.received) from error
    named = {name.strip().lower(): value for name, value in given.items()} if isinstance(given, dict) else {}
    refuse_fields((name for name, value in named.items() if value is not None), parameters, "the body")
    if not isinstance(named.get("url"), str):
        raise _no_address(_kind(given, named))
    return str(named["url"])


def _kind(given: object, named: dict[str, Any]) -> str:
    if given is None:
        return "none"
    if not isinstance(given, dict):
        return "a list" if isinstance(given, list) else "a text or a number"
    if "url" not in named:
        return "an object without url"
    return "a list as url" if isinstance(named["url"], list) else "a url that is no text"


def _no_address(received: str) -> ServiceError:
    return ServiceError(
        "BadRequestImageUrl",
        f'Expected JSON such as {{"url": "https://example.com/photo.jpg"}}, received {received}. To send the '
        "image itself, POST it to the same path with image in place of url.",
    )


def with_body(scope: Scope, receive: Receive, body: bytes, content_type: str) -> tuple[Scope, Receive]:
    """A request whose body has been read, with one in its place.

    Args:
        scope: of the request.
        receive: gives what comes after its body.
        body: in place of the one that came.
        content_type: of `body`.
    """
    kept = [pair for pair in scope["headers"] if pair[0] not in _OF_THE_BODY]
    own = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return {**scope, "headers": kept + own}, again
