"""The image, or its address, in a request's body, which is read no further than it may be large or late."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import FormParser, parse_options_header

from dahlia.errors import ServingError
from dahlia.serving.http.documents import MalformedDocument, read_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from python_multipart.multipart import Field, File
    from starlette.datastructures import Headers
    from starlette.types import Receive

MAX_IMAGE = 4 * 1024 * 1024
_AROUND = 64 * 1024  # the multipart lines around an image
MAX_BODY = MAX_IMAGE + _AROUND
MAX_DISCARD = 8 * MAX_BODY
SECONDS = 60  # for the whole body
MAX_PARTS = 1000  # parsing one takes some 15 µs, on the loop that serves everybody


# It logs malformed forms, one without a boundary even as an error, and cannot say in which request; the line
# about the refusal does.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


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
        ServingError: it holds more than an image, does not arrive in time, or was refused by `hold`.
        Disconnected: the client went away.
    """
    try:
        with anyio.fail_after(SECONDS):
            return await _read(receive, headers, hold, most)
    except TimeoutError:
        raise Unread(
            f"Expected the whole request within {SECONDS} seconds, received a part. Send a smaller image.",
            code="BadRequestImageStream",
            status=408,
        ) from None


async def _read(receive: Receive, headers: Headers, hold: Callable[[int], None], most: int) -> bytes:
    kept, discarded = most + _AROUND, max(most + _AROUND, MAX_DISCARD)
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > discarded:
        raise _too_large(most, Unread)
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
            raise _too_large(most, Unread)
        if not message.get("more_body", False):
            break
    if size > kept:
        raise _too_large(most)
    return b"".join(chunks)


@dataclass(frozen=True)
class Part:
    """A part of a multipart body; a file has a file name, a text has none."""

    name: str
    data: bytes
    is_file: bool


def image_of(body: bytes, content_type: str, field: str = "imageData", most: int = MAX_IMAGE) -> bytes:
    """The image in a body: a multipart field, with or without a file name, or else the body itself.

    Args:
        body: the whole body.
        content_type: the request's header.
        field: the multipart field's name, in any case.
        most: bytes that it may have.

    Raises:
        ServingError: there is no such field, it is empty, or it is too large.
    """
    if is_multipart(content_type):
        return image_among(parts_of(body, content_type), field, most=most)
    return image_among([Part(field, body, is_file=True)], field, most=most)


def image_among(parts: list[Part], field: str, *, as_file: bool = False, most: int = MAX_IMAGE) -> bytes:
    """The image among the parts of a form; see `image_of`.

    Args:
        parts: of the form.
        field: the field's name, in any case.
        as_file: refuse a field without a file name.
        most: bytes that it may have.

    Raises:
        ServingError: there is no such field, it is empty, or it is too large.
    """
    images = [part for part in parts if part.name.lower() == field.lower()]
    if not images or not images[0].data or (as_file and not all(part.is_file for part in images)):
        place = f"a file in the multipart field {field}" + ("" if as_file else ", or the body itself")
        raise ServingError(
            f"Expected an image as {place}; received {'an empty or other one' if images else 'none'}. "
            "Send the bytes of a JPEG, PNG, BMP or GIF file.",
            code="BadRequestImageStream",
            status=400,
        )
    if len(images[0].data) > most:
        raise _too_large(most)
    return images[0].data


def address_of(body: bytes, content_type: str = "") -> str:
    """The address in a body such as `{"url": "https://..."}`; the name in any case.

    XML and forms will do as well; an address by itself will not, as no content type stands for it.

    Args:
        body: the whole body.
        content_type: the request's header.

    Raises:
        ServingError: there is none.
    """
    try:
        given = read_document(body, content_type).content
    except MalformedDocument as error:
        raise _no_address(error.received) from error
    named = {name.lower(): value for name, value in given.items()} if isinstance(given, dict) else {}
    if not isinstance(named.get("url"), str):
        raise _no_address("none" if given is None else "something else")
    return str(named["url"])


def _no_address(received: str) -> ServingError:
    return ServingError(
        f'Expected JSON such as {{"url": "https://example.com/photo.jpg"}}, received {received}. To send the '
        "image itself, POST it to the same path with image in place of url.",
        code="BadRequestImageUrl",
        status=400,
    )


def is_multipart(content_type: str) -> bool:
    """Whether a content type promises a multipart form."""
    return parse_options_header(content_type)[0] == b"multipart/form-data"


def parts_of(body: bytes, content_type: str) -> list[Part]:
    """The parts of a multipart body.

    Raises:
        ServingError: the body is not multipart, or has more than `MAX_PARTS` parts.
    """
    parts: list[Part] = []

    def add(name: bytes | None, data: bytes, *, is_file: bool) -> None:
        if len(parts) == MAX_PARTS:
            raise FormParserError(f"it has more than {MAX_PARTS} parts")
        parts.append(Part((name or b"").decode("latin-1"), data, is_file))

    def on_field(field: Field) -> None:
        add(field.field_name, field.value or b"", is_file=False)

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        add(file.field_name, file.file_object.read(), is_file=True)
        file.close()

    boundary = parse_options_header(content_type)[1].get(b"boundary")
    config = {"MAX_MEMORY_FILE_SIZE": max(1, len(body))}
    try:
        parser = FormParser("multipart/form-data", on_field, on_file, boundary=boundary, config=config)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise ServingError(
            f"Expected a multipart body, received one that cannot be parsed ({error}). Let an HTTP library "
            "write it, as `curl --form` does.",
            code="BadRequestImageStream",
            status=400,
        ) from error
    return parts


def as_text(data: bytes) -> str:
    """A text field's value; bytes that are not UTF-8 are replaced."""
    return data.decode("utf-8", "replace")


def _too_large(most: int, kind: type[ServingError] = ServingError) -> ServingError:
    return kind(
        f"Expected an image of at most {most / 1024 / 1024:g} MB, received a larger one. Scale it down, "
        "or save it with a lower quality.",
        code="BadRequestImageSizeBytes",
        status=400,
    )
