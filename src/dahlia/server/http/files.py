"""Files over HTTP: bodies that bring images, and files of the storage as answers.

A body is read after the key was checked, no further than it may be large or late.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive

from dahlia.dataset.decoding_memory import return_freed_memory
from dahlia.errors import ServiceError
from dahlia.http.admission import Capacity
from dahlia.http.body import Disconnected, Pace, TooLarge, collect, discard
from dahlia.server.context import Server
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.work_tables import PredictionRow
from dahlia.server.http.access import Trains, server_of
from dahlia.server.http.middleware import wants_no_body
from dahlia.server.images.validation import resized
from dahlia.server.storage.backend import NotThere, StorageError
from dahlia.server.storage.names import RESIZED, image_key, sha256_of_key

MEGABYTE = 1024 * 1024
STALLED = 30.0  # seconds for which a body may pause
GRACE = 60.0  # seconds for a small body
SLOWEST = 32 * 1024  # bytes per second that every other must come with
LARGE = 16 * MEGABYTE  # of a body whose memory goes back to the system
LINGERING = 5.0  # seconds; a client that is still sending reads no answer
MAX_LINGERING = 64 * MEGABYTE
MAX_FETCHES = 4  # batches of addresses at once
_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".heic": "image/heic",
    ".avif": "image/avif",
    ".zip": "application/zip",
    ".html": "text/html; charset=utf-8",
}
_REPORT = {
    # A report shows what users uploaded: it runs nothing, loads nothing, and is no part of this site.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox",
    "referrer-policy": "no-referrer",
}
_KINDS = {".zip": "an export", ".html": "a report"}
_DAY = 24 * 3600
_logger = logging.getLogger("dahlia.server")


def file_answer(server: Server, request: Request, key: str, media_type: str | None = None) -> Response:
    """A file, streamed; 304 where the client has it already. A scaled-down image is made on first use.

    Args:
        server: has the storage.
        request: what was asked.
        key: of the file.
        media_type: by the key's suffix where it is left out.

    Raises:
        ServiceError: there is no such file.
        StorageError: the storage cannot be used.
    """
    headers = _headers(key)
    if headers.get("etag") in _known_to(request):
        return Response(status_code=304, headers=headers)
    media_type = media_type or _TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")
    size = server.storage.size(key)
    if size is None:
        return Response(_make(server, key), headers=headers, media_type=media_type)
    headers["content-length"] = str(size)
    if wants_no_body(request):
        return Response(headers=headers, media_type=media_type)
    try:
        return StreamingResponse(server.storage.stream(key), headers=headers, media_type=media_type)
    except NotThere:
        raise _missing(key) from None


def stored_bytes(server: Server, key: str, most: int) -> bytes | None:
    """A file of at most `most` bytes, made where it is a scaled-down image; None for a larger one.

    Raises:
        ServiceError: there is no such file.
        StorageError: the storage cannot be used.
    """
    size = server.storage.size(key)
    if size is None:
        made = _make(server, key)
        return made if len(made) <= most else None
    try:
        return server.storage.get(key) if size <= most else None
    except NotThere:
        raise _missing(key) from None


class Upload:
    """A body that has come.

    Args:
        data: the whole of it.
        content_type: what it says it is; empty where it says nothing.
    """

    def __init__(self, data: bytes, content_type: str) -> None:
        self.data = data
        self.content_type = content_type

    def take(self) -> bytes:
        """The body; once, so that the caller decides when it is freed."""
        data, self.data = self.data, b""
        return data


async def read_upload(receive: Receive, declared: str, most: int, hold: Callable[[int], None]) -> bytes:
    """Read a whole body.

    Of a body that is refused, what is still coming is thrown away for a moment: a client that is sending
    would see a broken connection instead of the answer.

    Args:
        receive: gives the body.
        declared: its size as the client says; empty where it does not.
        most: bytes that it may have.
        hold: is told of every piece that is kept, and may refuse it.

    Raises:
        ServiceError: it is too large, comes too slowly, was refused by `hold`, or its client went away.
    """
    try:
        if declared.isdecimal() and int(declared) > most:
            raise _too_large(most, unread=True)
        try:
            return await collect(receive, most, hold, Pace(STALLED, GRACE, SLOWEST))
        except TooLarge as error:
            raise _too_large(most, unread=not error.ended) from None
    except ServiceError as error:
        if error.unread:
            with suppress(Disconnected):
                await discard(receive, MAX_LINGERING, LINGERING)
            error.unread = False  # the connection goes on: what is still left is taken after the answer
        raise
    except TimeoutError:
        raise ServiceError(
            "BadRequestImageStream",
            f"Expected a body that comes with {SLOWEST // 1024} KB per second and never pauses for "
            f"{STALLED:g} seconds, received a slower one. Send fewer images at once.",
            status=408,
        ) from None
    except Disconnected:
        raise ServiceError(
            "BadRequestImageStream", "The client went away before its body had come."
        ) from None


def capacity_of(request: Request) -> Capacity:
    """What the requests of the application that answers hold at once."""
    state = request.app.state
    if not hasattr(state, "capacity"):
        most = server_of(request).settings.server.max_body_mb * MEGABYTE
        state.capacity = Capacity(most, MAX_FETCHES, "images are on their way")
    capacity: Capacity = state.capacity
    return capacity


async def _upload(request: Request, access: Trains) -> AsyncIterator[Upload]:
    most = server_of(request).settings.server.max_body_mb * MEGABYTE
    headers = request.headers
    with capacity_of(request).body(access.key_id) as hold:
        upload = Upload(
            await read_upload(request.receive, headers.get("content-length", ""), most, hold),
            headers.get("content-type", ""),
        )
        is_large = len(upload.data) > LARGE
        try:
            yield upload
        finally:
            if is_large:
                await run_in_threadpool(return_freed_memory)


Uploaded = Annotated[Upload, Depends(_upload)]
"""The body of a request, read after its key was checked."""


def _headers(key: str) -> dict[str, str]:
    name = PurePosixPath(key).name
    content = sha256_of_key(key)
    if content:
        # Named by its content: it never changes, and its address is valid for about a day.
        return {"etag": f'"{content}"', "cache-control": f"private, max-age={_DAY}, immutable"}
    headers = {"cache-control": "private, no-store"}
    if name.endswith(".html"):
        headers |= _REPORT
    if name.endswith(".zip"):
        plain = name.replace('"', "").encode("ascii", "replace").decode()
        headers["content-disposition"] = f'attachment; filename="{plain}"'
    return headers


def _known_to(request: Request) -> set[str]:
    given = request.headers.get("if-none-match", "")
    return {part.strip().removeprefix("W/") for part in given.split(",") if part.strip()}


def _make(server: Server, key: str) -> bytes:
    """Scale an image down, and store it where that can be done."""
    content = sha256_of_key(key)
    if not content or not key.startswith(f"{RESIZED}/"):
        raise _missing(key)
    with server.database.read() as session:
        suffix = session.scalar(select(ImageRow.suffix).where(ImageRow.sha256 == content).limit(1))
        suffix = suffix or session.scalar(
            select(PredictionRow.suffix).where(PredictionRow.sha256 == content).limit(1)
        )
    if suffix is None:
        raise _missing(key)
    try:
        small = resized(server.storage.get(image_key(content, suffix)))
    except NotThere:
        raise _missing(key) from None
    try:
        server.storage.put(key, small)
    except StorageError as error:
        _logger.warning("A scaled-down image is answered and not kept. %s", error)
    return small


def _missing(key: str) -> ServiceError:
    kind = _KINDS.get(PurePosixPath(key).suffix, "an image")
    return ServiceError(
        "NotFoundImage" if kind == "an image" else "NotFound",
        f"Expected the file of {kind} that is still here, and it was deleted. Ask for {kind} again.",
    )


def _too_large(most: int, *, unread: bool) -> ServiceError:
    return ServiceError(
        "BadRequestImageSizeBytes",
        f"Expected a body of at most {most // MEGABYTE} MB, received a larger one. Send fewer at once.",
        status=413,
        unread=unread,
    )
