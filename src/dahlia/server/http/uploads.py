"""Bodies that hold images: read after the key was checked, no further than they may be large or late."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import anyio
from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive

from dahlia.server.contract.errors import GatewayError, ServiceError
from dahlia.server.http.access import Trains, server_of
from dahlia.serving.models.memory import return_freed_memory

MEGABYTE = 1024 * 1024
STALLED = 30.0  # seconds for which a body may pause
GRACE = 60.0  # seconds for a small body
SLOWEST = 32 * 1024  # bytes per second that every other must come with
PRESSED = 5.0  # seconds for which a refused request counts as waiting
LARGE = 16 * MEGABYTE  # of a body whose memory goes back to the system
LINGERING = 5.0  # seconds; a client that is still sending reads no answer
MAX_LINGERING = 64 * MEGABYTE
MAX_FETCHES = 4  # batches of addresses at once


class Room:
    """What requests hold in memory, all together; used by one event loop.

    Args:
        most: bytes of bodies.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()
        self._refused: dict[str, float] = {}
        self._fetches = 0

    @contextmanager
    def body(self, owner: str) -> Iterator[Callable[[int], None]]:
        """Gives what counts the bytes of a body as they come; they count until the block ends.

        The function that it gives raises ServiceError where too much is held: by all together, or by one
        owner, who has no more than half of the room while another's requests are refused. From then on the
        body counts no more.

        Args:
            owner: the id of the key.
        """
        mine = 0

        def hold(size: int) -> None:
            nonlocal mine
            if self._held.total() + size > self._most:
                self._refused[owner] = time.monotonic()
            elif self._held[owner] + size <= self._most // 2 or not self._is_pressed_by_others(owner):
                self._held[owner] += size
                mine += size
                return
            release()
            raise _busy()

        def release() -> None:
            nonlocal mine
            self._held -= Counter({owner: mine})  # leaves no owner who holds nothing
            mine = 0

        try:
            yield hold
        finally:
            release()

    def _is_pressed_by_others(self, owner: str) -> bool:
        since = time.monotonic() - PRESSED
        self._refused = {other: at for other, at in self._refused.items() if at > since}
        return any(other != owner for other in self._refused)

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """A place among the batches of images that are fetched.

        Raises:
            ServiceError: there is none.
        """
        if self._fetches >= MAX_FETCHES:
            raise _busy()
        self._fetches += 1
        try:
            yield
        finally:
            self._fetches -= 1


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
            raise _too_large(most)
        return await _read(receive, most, hold)
    except TimeoutError:
        raise ServiceError(
            "BadRequestImageStream",
            f"Expected a body that comes with {SLOWEST // 1024} KB per second and never pauses for "
            f"{STALLED:g} seconds, received a slower one. Send fewer images at once.",
            status=408,
        ) from None
    except ServiceError:
        await _linger(receive)
        raise


async def _read(receive: Receive, most: int, hold: Callable[[int], None]) -> bytes:
    size = 0
    deadline = anyio.current_time() + GRACE
    with io.BytesIO() as body:  # grows in place, and is freed at once where the body is refused
        while True:
            with anyio.fail_after(STALLED):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise ServiceError("BadRequestImageStream", "The client went away before its body had come.")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > most:
                raise _too_large(most)
            hold(len(chunk))
            body.write(chunk)
            if not message.get("more_body", False):
                return body.getvalue()
            now = anyio.current_time()
            # What came quickly is no credit for later: it would be held for hours.
            deadline = min(
                deadline + len(chunk) / SLOWEST, now + (GRACE if size < GRACE * SLOWEST else STALLED)
            )
            if now > deadline:
                raise TimeoutError


async def _linger(receive: Receive) -> None:
    size = 0
    with anyio.move_on_after(LINGERING):
        while size < MAX_LINGERING:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body", False):
                return


def room_of(request: Request) -> Room:
    """The room of the application that answers."""
    state = request.app.state
    if not hasattr(state, "room"):
        state.room = Room(server_of(request).settings.server.max_body_mb * MEGABYTE)
    room: Room = state.room
    return room


async def _upload(request: Request, access: Trains) -> AsyncIterator[Upload]:
    most = server_of(request).settings.server.max_body_mb * MEGABYTE
    headers = request.headers
    with room_of(request).body(access.key_id) as hold:
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


def _too_large(most: int) -> ServiceError:
    return ServiceError(
        "BadRequestImageSizeBytes",
        f"Expected a body of at most {most // MEGABYTE} MB, received a larger one. Send fewer at once.",
        status=413,
    )


def _busy() -> ServiceError:
    return GatewayError(
        429, "More images are on their way than this server admits. Ask again in 1 second.", retry_after=1
    )
