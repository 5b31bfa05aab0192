from __future__ import annotations

import functools
import json
import logging
import uuid
from pathlib import Path
from typing import Any

import anyio
import pytest
from serving_helpers import FakeSource, build_client, build_state, picture, url
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from dahlia.errors import ServiceError
from dahlia.http import body, lingering
from dahlia.http.admission import Admission
from dahlia.http.body import MAX_BODY, MAX_DISCARD, Disconnected, read_body
from dahlia.serving.prediction_api import Answered
from dahlia.serving.prediction_app import PredictionApp, ServiceState
from dahlia.settings.service import read_settings

KEY = "a-Secret"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Prediction-Key": KEY}, 200),
        ({"prediction-key": KEY}, 200),
        ({"Training-key": KEY}, 200),
        ({"Ocp-Apim-Subscription-Key": KEY}, 200),
        ({"Prediction-Key": "other", "Ocp-Apim-Subscription-Key": KEY}, 200),
        ({"Prediction-Key": KEY.lower()}, 401),
        ({"Prediction-Key": ""}, 401),
        ({"Prediction-Key": "schlüssel".encode()}, 401),
        ({}, 401),
    ],
)
@pytest.mark.parametrize("path", [url(), "/predict"])
def test_keys(source: FakeSource, headers: dict[str, Any], status: int, path: str) -> None:
    files = {"image": ("a.jpg", picture())} if path == "/predict" else {"imageData": ("a.jpg", picture())}
    with build_client(source, DAHLIA_PREDICTION_KEY=KEY) as client:
        response = client.post(path, headers=headers, files=files)
    assert response.status_code == status
    if status == 401:
        assert response.json()["error"]["code"] == "401"


def test_without_a_key_every_key_is_welcome(client: TestClient) -> None:
    assert client.post(url(), headers={"Prediction-Key": "any"}, content=picture()).status_code == 200


def test_the_key_is_not_asked_where_nothing_is_predicted(source: FakeSource) -> None:
    with build_client(source, DAHLIA_PREDICTION_KEY=KEY) as client:
        assert client.get("/other").status_code == 200


def test_predict_reaches_what_is_behind(client: TestClient) -> None:
    for name in ("image", "file"):
        response = client.post("/predict", files={name: ("a.jpg", picture())})
        assert response.status_code == 200
        assert response.json()["reached"] > len(picture())


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"json": {"image": "http://127.0.0.1/secret"}}, 415, "UnsupportedMediaType"),
        ({"content": b"http://127.0.0.1/secret"}, 415, "UnsupportedMediaType"),
        ({"files": {"image": (None, "http://127.0.0.1/secret")}}, 400, "BadRequestImageStream"),
        (
            {"files": [("image", ("a.jpg", picture())), ("image", (None, "http://127.0.0.1/secret"))]},
            400,
            "BadRequestImageStream",
        ),
        ({"files": {"other": (None, "text")}}, 400, "BadRequestImageStream"),
        ({"files": {"image": ("a.jpg", bytes(MAX_BODY))}}, 400, "BadRequestImageSizeBytes"),
    ],
)
def test_predict_takes_files_only(
    client: TestClient, options: dict[str, Any], status: int, code: str
) -> None:
    response = client.post("/predict", **options)
    assert response.status_code == status
    assert response.json()["code"] == code


def test_too_many_at_once(source: FakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second request finds the first being computed, before and after its own body has come."""
    answers: list[dict[str, Any]] = []
    state = build_state(source, DAHLIA_MAX_CONCURRENCY="1")
    app = PredictionApp(_unreachable, state, ())

    async def scenario() -> None:
        computing, release, entered = anyio.Event(), anyio.Event(), anyio.Event()

        async def compute(*_: object, **__: object) -> Answered:
            computing.set()
            await release.wait()
            return Answered({}, None, 0.0)

        async def sent() -> dict[str, Any]:
            return {"type": "http.request", "body": picture()}

        async def sent_late() -> dict[str, Any]:
            entered.set()
            await computing.wait()
            return await sent()

        monkeypatch.setattr(state.predictor, "predict", compute)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(app, _scope(), sent_late, _collect(answers))
                await entered.wait()
                tasks.start_soon(app, _scope(), sent, _collect([]))
                await computing.wait()
                await app(_scope() | {"headers": [(b"content-length", b"10")]}, _never, _collect(answers))
                while len(answers) < 4:
                    await anyio.sleep(0.01)
                release.set()

    anyio.run(scenario)
    for start, end in (answers[:2], answers[2:]):
        assert start["status"] == 429
        assert (b"retry-after", b"1") in start["headers"]
        assert json.loads(end["body"])["error"]["code"] == "429"
    assert state.admission.predictions == 0


def test_bodies_that_come_slowly_keep_nobody_out(source: FakeSource) -> None:
    answers: list[dict[str, Any]] = []
    state = build_state(source, DAHLIA_MAX_CONCURRENCY="1")
    app = PredictionApp(_unreachable, state, ())

    async def scenario() -> None:
        waiting, release = [anyio.Event() for _ in range(5)], anyio.Event()

        async def slow(mark: anyio.Event) -> dict[str, Any]:
            mark.set()
            await release.wait()
            return {"type": "http.disconnect"}

        async def sent() -> dict[str, Any]:
            return {"type": "http.request", "body": picture()}

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for mark in waiting:
                    tasks.start_soon(app, _scope(), functools.partial(slow, mark), _collect([]))
                    await mark.wait()
                await app(_scope(), sent, _collect(answers))
                release.set()

    anyio.run(scenario)
    assert answers[0]["status"] == 200


def test_bodies_in_memory_are_bounded(source: FakeSource) -> None:
    answers: list[dict[str, Any]] = []
    state = build_state(source)
    state.admission = Admission(None, 64, most_held=100)
    app = PredictionApp(_unreachable, state, ())

    more = [False, True, True]

    async def sent() -> dict[str, Any]:
        return {"type": "http.request", "body": bytes(60), "more_body": more.pop()}

    anyio.run(app, _scope(), sent, _collect(answers))
    assert answers[0]["status"] == 429
    assert (b"connection", b"close") in answers[0]["headers"]
    assert more == []
    with state.admission.body() as hold:
        hold(100)


@pytest.mark.parametrize(
    ("length", "closes"), [(b"10", False), (None, True), (str(MAX_DISCARD + 1).encode(), True)]
)
def test_a_refused_body_of_unknown_length_ends_the_connection(length: bytes | None, closes: bool) -> None:
    answers: list[dict[str, Any]] = []
    scope = _scope() | {"headers": [(b"content-length", length)] if length else []}
    app = PredictionApp(_unreachable, ServiceState.of(read_settings({"DAHLIA_PREDICTION_KEY": KEY})), ())

    async def sent() -> dict[str, Any]:
        assert length is None, "read"
        return {"type": "http.request", "body": b"\xff\xd8"}

    anyio.run(app, scope, sent, _collect(answers))
    assert answers[0]["status"] == 401
    assert ((b"connection", b"close") in answers[0]["headers"]) == closes


@pytest.mark.parametrize("path", ["/none", "/other/below", "//other", "/customvision/v3.0/training/projects"])
def test_paths_that_nobody_serves_go_no_further(source: FakeSource, path: str) -> None:
    answers: list[dict[str, Any]] = []
    app = PredictionApp(_unreachable, build_state(source), ("/other",))
    anyio.run(app, _scope() | {"path": path, "raw_path": path.encode()}, _never, _collect(answers))
    assert answers[0]["status"] == 404


def test_before_the_service_has_started() -> None:
    answers: list[dict[str, Any]] = []
    app = PredictionApp(_unreachable, ServiceState.of(read_settings({})), ())

    async def sent() -> dict[str, Any]:
        return {"type": "http.request", "body": picture()}

    anyio.run(app, _scope(), sent, _collect(answers))
    assert answers[0]["status"] == 503


@pytest.mark.parametrize(("chunk", "chunks"), [(1 << 20, MAX_DISCARD // (1 << 20) + 2), (MAX_DISCARD + 1, 1)])
def test_reading_ends_at_the_limit(chunk: int, chunks: int) -> None:
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": bytes(chunk), "more_body": True}

    with pytest.raises(ServiceError, match="4 MB"):
        anyio.run(read_body, receive, Headers({}), _held)
    assert asked <= chunks


def test_a_declared_flood_is_not_read_at_all() -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("read")

    with pytest.raises(ServiceError, match="4 MB"):
        anyio.run(read_body, receive, Headers({"content-length": str(MAX_DISCARD + 1)}), _held)


def test_a_body_that_does_not_end(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(body, "SECONDS", 0.05)
    monkeypatch.setattr(lingering, "SECONDS", 0.05)
    answers: list[dict[str, Any]] = []
    app = PredictionApp(_unreachable, build_state(source), ())
    pieces = [{"type": "http.request", "body": b"\xff\xd8", "more_body": True}]

    async def receive() -> dict[str, Any]:
        return pieces.pop() if pieces else await anyio.sleep_forever()

    with caplog.at_level(logging.INFO, "bentoml.dahlia"):
        anyio.run(app, _scope(), receive, _collect(answers))
    headers = dict(answers[0]["headers"])
    assert answers[0]["status"] == 408
    assert headers[b"connection"] == b"close"
    assert json.loads(answers[1]["body"])["code"] == "BadRequestImageStream"
    assert headers[b"apim-request-id"].decode() in caplog.text


@pytest.mark.parametrize(
    "path", [url("nobody"), url(task="detect"), "/predict", "/other", "/customvision/", url(end="url")]
)
def test_every_answer_has_an_id(client: TestClient, path: str) -> None:
    ids = {client.post(path, content=b"").headers["apim-request-id"] for _ in range(2)}
    assert len({uuid.UUID(one) for one in ids}) == 2


@pytest.mark.parametrize("key", [KEY, "wrong"])
def test_refusals_are_logged_with_their_id(
    source: FakeSource, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    with build_client(source, DAHLIA_PREDICTION_KEY=KEY) as client:
        caplog.clear()
        with caplog.at_level(logging.INFO, "bentoml.dahlia"):
            response = client.post(url(), content=b"", headers={"Prediction-Key": key})
    (line,) = [one.getMessage() for one in caplog.records if one.name == "bentoml.dahlia"]
    assert response.headers["apim-request-id"] in line
    assert str(response.status_code) in line
    assert key not in line


def test_a_client_that_leaves() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(Disconnected):
        anyio.run(read_body, receive, Headers({}), _held)


def _held(size: int) -> None:
    assert size >= 0


async def _never() -> dict[str, Any]:
    raise AssertionError("read")


async def _unreachable(*_: object) -> None:
    raise AssertionError("reached")


def _scope() -> dict[str, Any]:
    path = url()
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "headers": [],
        "query_string": b"",
    }


def _collect(messages: list[dict[str, Any]]) -> Any:
    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    return send


def test_settings_folder() -> None:
    assert read_settings({"DAHLIA_PREDICTIONS": "/data"}).predictions == Path("/data")
