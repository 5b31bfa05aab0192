from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import anyio
import pytest
from image_cases import entry, photo
from project_cases import make_project
from starlette.testclient import TestClient
from starlette.types import Message, Receive

from dahlia.errors import ServiceError
from dahlia.http import admission
from dahlia.http.admission import Capacity
from dahlia.server.context import Server
from dahlia.server.http import files
from dahlia.server.http.files import MAX_FETCHES, Upload, read_upload


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


def capacity(held: int) -> Capacity:
    return Capacity(held, MAX_FETCHES, "images are on their way")


def read(
    receive: Receive, declared: str = "", most: int = 10, hold: Callable[[int], None] | None = None
) -> bytes:
    with capacity(100).body("key") as own:
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


def test_clients_that_stall_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "STALLED", 0.05)
    with pytest.raises(ServiceError, match="received a slower one") as refusal:
        read(Body(b"ab", b"cd", ends=False))
    assert refusal.value.status == 408


@pytest.mark.parametrize(
    ("sizes", "pause", "read_pieces"),
    [
        ([1] * 20, 8, 9),  # a minute for a small one
        ([100_000] * 40, 8, 14),
        ([33 * 8192] * 40, 8, 40),
        ([3_000_000, 29 * 32768, 1, 29 * 32768, 1], 29, 5),
        ([10_000_000] + [60] * 100, 1, 32),  # what came quickly is no credit
        ([10_000_000] + [20 * 32768] * 40, 20, 41),
    ],
)
def test_the_pace_is_kept_to_the_end(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], pause: float, read_pieces: int
) -> None:
    clock, came = [0.0], []
    monkeypatch.setattr(anyio, "current_time", lambda: clock[0])
    monkeypatch.setattr(files, "LINGERING", 0)
    piece = bytes(max(sizes))

    async def receive() -> Message:
        clock[0] += pause if came else 0
        came.append(sizes[len(came)])
        body = memoryview(piece)[: came[-1]]
        return {"type": "http.request", "body": body, "more_body": len(came) < len(sizes)}

    ends = read_pieces == len(sizes)
    with nullcontext() if ends else pytest.raises(ServiceError, match="received a slower one"):
        read(receive, most=10**9, hold=lambda size: None)
    assert len(came) == read_pieces


def test_nobody_lingers_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LINGERING", 0.05)
    with pytest.raises(ServiceError) as refusal:
        read(Body(b"ab", ends=False), declared="11")
    assert refusal.value.status == 413


def test_memory_is_shared_and_given_back() -> None:
    shared = capacity(10)
    with shared.body("a") as one, shared.body("b") as other, shared.body("b") as third:
        one(6)
        other(2)
        third(2)
        with pytest.raises(ServiceError, match="Ask again in 1 second") as refusal:
            other(1)
        assert (refusal.value.status, refusal.value.retry_after) == (429, 1)
        third(2)  # the refused one holds nothing
    with shared.body("b") as one:
        one(10)


def test_a_key_holds_half_while_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(admission.time, "monotonic", lambda: clock[0])
    shared = capacity(10)
    with (
        shared.body("a") as one,
        shared.body("a") as two,
        shared.body("b") as third,
        shared.body("b") as fourth,
    ):
        one(4)
        two(5)
        with pytest.raises(ServiceError):
            third(3)
        with pytest.raises(ServiceError, match="Ask again in 1 second"):
            one(1)
        two(0)  # holds half
        fourth(5)
    with shared.body("a") as one:
        with pytest.raises(ServiceError):
            one(6)
        clock[0] += admission.PRESSED
        one(6)  # nobody waits any more


def test_batches_of_addresses_are_few() -> None:
    shared = capacity(10)

    def nested(left: int) -> None:
        with shared.fetch():
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
