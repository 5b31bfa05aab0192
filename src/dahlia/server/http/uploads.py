"""Bodies that hold images: read after the key was checked, no further than they may be large or late."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive

from dahlia.dataset.decoding_memory import return_freed_memory
from dahlia.errors import ServiceError
from dahlia.http.admission import Capacity
from dahlia.http.body import Disconnected, Pace, TooLarge, collect, discard
from dahlia.server.http.access import Trains, server_of

MEGABYTE = 1024 * 1024
STALLED = 30.0  # seconds for which a body may pause
GRACE = 60.0  # seconds for a small body
SLOWEST = 32 * 1024  # bytes per second that every other must come with
LARGE = 16 * MEGABYTE  # of a body whose memory goes back to the system
LINGERING = 5.0  # seconds; a client that is still sending reads no answer
MAX_LINGERING = 64 * MEGABYTE
MAX_FETCHES = 4  # batches of addresses at once


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


def _too_large(most: int, *, unread: bool) -> ServiceError:
    return ServiceError(
        "BadRequestImageSizeBytes",
        f"Expected a body of at most {most // MEGABYTE} MB, received a larger one. Send fewer at once.",
        status=413,
        unread=unread,
    )
