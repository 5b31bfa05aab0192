"""More than a service can take: what it refuses, and what it goes on answering."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from running_services import KEY, SERVICE, connect, make_project
from serving_helpers import picture, serving, url

pytestmark = pytest.mark.slow

PATH = url(end="image/nostore")
CLIENTS = 32
EACH = 12


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One process, which takes on two predictions at once."""
    root = make_project(tmp_path_factory.mktemp("project"), {"Iteration 1": 1}).root
    settings = {"DAHLIA_WORKERS": "1", "DAHLIA_MAX_CONCURRENCY": "2", "DAHLIA_PREDICTION_KEY": KEY}
    with serving(SERVICE, root, tmp_path_factory.mktemp("bentoml"), **settings) as (base, _):
        yield base


@pytest.mark.parametrize("keep_alive", [True, False])
def test_what_is_too_much_is_refused_and_the_rest_answered(base: str, keep_alive: bool) -> None:
    photo, ready = _large_photo(), threading.Barrier(CLIENTS)

    def ask_often(_: int) -> Counter[tuple[int, str | None]]:
        connection = connect(base)
        ready.wait(30)
        seen: Counter[tuple[int, str | None]] = Counter()
        for _ in range(EACH):
            seen[_predict(connection, photo, keep_alive=keep_alive)] += 1
        connection.close()
        return seen

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = sum(pool.map(ask_often, range(CLIENTS)), Counter[tuple[int, str | None]]())
    assert answers.total() == CLIENTS * EACH
    assert set(answers) == {(200, None), (429, "1")}
    connection = connect(base)
    assert {_predict(connection, photo) for _ in range(10)} == {(200, None)}
    connection.close()


def test_slow_bodies_keep_nobody_out(base: str) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(_begun(base, KEY)) for _ in range(20)]
        connection = connect(base)
        stack.callback(connection.close)
        for _ in range(3):
            for one in slow:
                one.sendall(b"\xff")
            assert {_predict(connection, picture()) for _ in range(5)} == {(200, None)}
            time.sleep(1)


def test_a_refusal_reaches_a_client_that_is_still_sending(base: str) -> None:
    """Also where the client wants the connection closed: closing it at once would break what it sends."""
    with _begun(base, "wrong", "Connection: close\r\n") as client:
        head = client.recv(12)
        for _ in range(10):
            client.sendall(bytes(10_000))
            time.sleep(0.02)
    assert head == b"HTTP/1.1 401"


def _predict(
    connection: http.client.HTTPConnection, photo: bytes, *, keep_alive: bool = True
) -> tuple[int, str | None]:
    headers = {"Prediction-Key": KEY, "Connection": "keep-alive" if keep_alive else "close"}
    connection.request("POST", PATH, photo, headers)
    response = connection.getresponse()
    response.read()
    return response.status, response.headers["Retry-After"]


@contextmanager
def _begun(base: str, key: str, more: str = "") -> Iterator[socket.socket]:
    """A request of which the body is still to come."""
    place = urlsplit(base)
    head = f"POST {PATH} HTTP/1.1\r\nHost: {place.netloc}\r\nPrediction-Key: {key}\r\n{more}"
    with socket.create_connection((place.hostname or "", place.port or 80), timeout=30) as client:
        client.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode())
        yield client


def _large_photo() -> bytes:
    """Takes a while to decode."""
    noise = np.random.default_rng(0).integers(0, 256, (900, 1260, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=50)
    return buffer.getvalue()
