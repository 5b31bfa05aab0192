"""The image, or its address, in a request's body, which is read no further than it may be large or late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from dahlia.errors import ServingError
from dahlia.serving.http.documents import MalformedDocument, read_document
from dahlia.serving.http.form_images import FIELD, read_form, refuse_fields, too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.datastructures import Headers
    from starlette.types import Receive

MAX_IMAGE = 4 * 1024 * 1024
_AROUND = 64 * 1024  # the multipart lines around an image
MAX_BODY = MAX_IMAGE + _AROUND
MAX_DISCARD = 8 * MAX_BODY
_MOST_ADDRESS = 64 * 1024  # bytes of a body with an address, which is read on the loop
SECONDS = 60  # for the whole body


class Disconnected(Exception):  # noqa: N818
    """The client went away before its body had arrived."""


class Unread(ServingError):  # noqa: N818
    """A body that was not read to its end, so that its connection cannot serve another request."""


async def read_body(
    receive: Receive, headers: Headers, hold: Callable[[int], None], most: int = MAX_IMAGE
) -> bytes:
    """Read the whole body, in `SECONDS`.

    A body over the limit is not kept. What is left of it is thrown away, up to `MAX_DISCARD` bytes, since a
    client that is still sending would otherwise see a broken connection and never read the answer.

    Args:
        receive: gives the body.
        headers: of the request.
        hold: is told of every chunk that is kept, and may refuse it.
        most: bytes that an image may have.

    Raises:
        ServingError: it is compressed or too large, does not arrive in time, or was refused by `hold`.
        Disconnected: the client went away.
    """
    refuse_compressed(headers)
    try:
        with anyio.fail_after(SECONDS):
            return await _read(receive, headers, hold, most)
    except TimeoutError:
        raise Unread(
            f"Expected the whole request within {SECONDS} seconds, received a part. Send a smaller image.",
            code="BadRequestImageStream",
            status=408,
        ) from None


def refuse_compressed(headers: Headers) -> None:
    """Let bodies pass that are sent as they are.

    Raises:
        Unread: this one is compressed.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise Unread(
            f"Expected a body as it is, received one with the header Content-Encoding: {encoding[:40]}. "
            "Compressed bodies are not taken: send it without that encoding.",
            code="UnsupportedMediaType",
            status=415,
        )


async def _read(receive: Receive, headers: Headers, hold: Callable[[int], None], most: int) -> bytes:
    kept, discarded = most + _AROUND, max(most + _AROUND, MAX_DISCARD)
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > discarded:
        raise too_large(most, Unread)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= kept:
            hold(len(chunk))
            chunks.append(chunk)
        else:
            chunks.clear()
        if size > discarded:
            raise too_large(most, Unread)
        if not message.get("more_body", False):
            break
    if size > kept:
        raise too_large(most)
    return b"".join(chunks)


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
        ServingError: there is none or several, it is empty or too large, or a parameter is a field.
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
        ServingError: there is none, or a parameter is a field.
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


def _no_address(received: str) -> ServingError:
    return ServingError(
        f'Expected JSON such as {{"url": "https://example.com/photo.jpg"}}, received {received}. To send the '
        "image itself, POST it to the same path with image in place of url.",
        code="BadRequestImageUrl",
        status=400,
    )
