from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from image_cases import entry, photo
from project_cases import make_project
from starlette.testclient import TestClient
from starlette.types import Message, Receive

from dahlia.server.context import Server
from dahlia.server.contract.errors import ServiceError
from dahlia.server.http import uploads
from dahlia.server.http.uploads import MAX_FETCHES, Room, Upload, read_upload


class Body:
    """Gives pieces, then nothing more; or waits for ever."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self.left = list(pieces)
        self.ends = ends

    async def __call__(self) -> Message:
        if not self.left:
            if self.ends:
                return {"type": "http.disconnect"}
            await anyio.sleep_forever()
        piece = self.left.pop(0)
        more = bool(self.left) or not self.ends
        return {"type": "http.request", "body": piece, "more_body": more}


def read(
    receive: Receive, declared: str = "", most: int = 10, hold: Callable[[int], None] | None = None
) -> bytes:
    with Room(100).body() as own:
        return anyio.run(read_upload, receive, declared, most, hold or own)


def test_a_body_is_read_whole() -> None:
    assert read(Body(b"ab", b"", b"cd")) == b"abcd"
    assert read(Body(b"0123456789"), declared="10") == b"0123456789"
    assert read(Body(b"")) == b""


@pytest.mark.parametrize(
    ("body", "declared", "status"),
    [
        (Body(b"0123456789", b"a", b"rest"), "", 413),
        (Body(b"0123456789a"), "11", 413),
        (Body(ends=True), "", 400),
    ],
)
def test_bodies_that_are_refused(body: Body, declared: str, status: int) -> None:
    with pytest.raises(ServiceError) as refusal:
        read(body, declared)
    assert refusal.value.status == status
    assert not body.left  # a client that sends reads no answer


@pytest.mark.parametrize(("limit", "value"), [("STALLED", 0.05), ("GRACE", -1e9)])
def test_clients_that_stall_are_cut_off(monkeypatch: pytest.MonkeyPatch, limit: str, value: float) -> None:
    monkeypatch.setattr(uploads, limit, value)
    with pytest.raises(ServiceError, match="received a slower one") as refusal:
        read(Body(b"ab", b"cd", ends=False))
    assert refusal.value.status == 408


def test_nobody_lingers_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LINGERING", 0.05)
    with pytest.raises(ServiceError) as refusal:
        read(Body(b"ab", ends=False), declared="11")
    assert refusal.value.status == 413


def test_room_is_shared_and_given_back() -> None:
    room = Room(10)
    with room.body() as one, room.body() as other:
        one(6)
        other(4)
        with pytest.raises(ServiceError, match="Ask again in 1 second") as refusal:
            other(1)
        assert (refusal.value.status, refusal.value.retry_after) == (429, 1)
    with room.body() as one:
        one(10)


def test_batches_of_addresses_are_few() -> None:
    room = Room(10)

    def nested(left: int) -> None:
        with room.fetching():
            if left:
                nested(left - 1)

    nested(MAX_FETCHES - 1)
    with pytest.raises(ServiceError, match="Ask again in 1 second"):
        nested(MAX_FETCHES)
    nested(MAX_FETCHES - 1)


def test_an_upload_is_taken_once() -> None:
    upload = Upload(b"photo", "image/jpeg")
    assert (upload.take(), upload.take()) == (b"photo", b"")


def test_a_large_body_is_refused(client: TestClient, server: Server) -> None:
    project = make_project(client)["id"]
    section = server.settings.server.model_copy(update={"max_body_mb": 1})
    server.settings = server.settings.model_copy(update={"server": section})
    large = photo(1) + bytes(1024 * 1024)
    answer = client.post(f"/projects/{project}/images", content=large)
    assert (answer.status_code, answer.json()["code"]) == (413, "BadRequestImageSizeBytes")
    answer = client.post(f"/projects/{project}/images", content=iter([large]))  # its size is not declared
    assert answer.status_code == 413
    assert client.post(f"/projects/{project}/images/files", json={"images": [entry(1)]}).status_code == 200
