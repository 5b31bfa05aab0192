from __future__ import annotations

import json
import re
import struct
import uuid
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import anyio
import pytest
from starlette.testclient import TestClient

from dahlia.export.docker.context import app
from dahlia.export.docker.context.model import load_model
from dahlia.export.docker.context.settings import read_settings
from dahlia.http import body, lingering
from dahlia.http.body import MAX_BODY, MAX_DISCARD, MAX_IMAGE
from photo_server import WebServer, photo_server

PROJECT = "12121212-3434-4565-8787-989898989898"
ITERATION = "00000000-0000-4000-8000-000000000001"
CLOUD = f"/customvision/v3.1/prediction/{PROJECT}/classify/iterations/v1/image"
FORM = {"content-type": "multipart/form-data; boundary=x"}
ALLOW = "access-control-allow-origin"
OCTETS = {"content-type": "application/octet-stream"}


def part(content: bytes, disposition: str = 'name="imageData"', headers: str = "") -> bytes:
    head = f"--x\r\nContent-Disposition: form-data; {disposition}\r\n{headers}\r\n".encode()
    return head + content + b"\r\n--x--\r\n"


def bomb() -> bytes:
    """A PNG whose header promises 60,000 x 60,000 pixels."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", b"") + block(b"IEND", b"")


def test_the_answer_of_the_cloud(client: TestClient, picture: Any) -> None:
    response = client.post(CLOUD, content=picture((20, 250, 120), "PNG"), headers=OCTETS)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert uuid.UUID(response.headers["apim-request-id"])
    answer = response.json()
    assert list(answer) == ["id", "project", "iteration", "created", "predictions"]
    assert uuid.UUID(answer["id"])
    assert (answer["project"], answer["iteration"]) == (PROJECT, ITERATION)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", answer["created"])
    assert [one["tagName"] for one in answer["predictions"]] == ["green", "blue", "red"]
    assert [set(one) for one in answer["predictions"]] == [{"probability", "tagId", "tagName", "tagType"}] * 3
    assert answer["predictions"][0]["tagId"] == "id of green"
    assert sum(one["probability"] for one in answer["predictions"]) == pytest.approx(1)


def test_the_answer_of_a_container(client: TestClient, picture: Any) -> None:
    response = client.post("/image", content=picture((20, 250, 120), "PNG"))
    assert response.status_code == 200
    answer = response.json()
    assert (answer["id"], answer["project"], answer["iteration"]) == ("", "", "")
    assert datetime.fromisoformat(answer["created"]).tzinfo is None
    assert [list(one) for one in answer["predictions"]] == [
        ["tagName", "probability", "tagId", "boundingBox"]
    ] * 3
    assert [one["tagName"] for one in answer["predictions"]] == ["red", "green", "blue"]
    assert {(one["tagId"], one["boundingBox"]) for one in answer["predictions"]} == {("", None)}
    assert all(one["probability"] == round(one["probability"], 8) for one in answer["predictions"])


@pytest.mark.parametrize(
    "path",
    [
        "/image",
        "/Image/",
        "/colours/image",
        "/colours/image/nostore",
        "/colours/classify/iterations/v1/image",
        "/colours/classify/iterations/Iteration%201/image/nostore",
        "//colours//Classify/Iterations/v1/Image/NoStore",
        f"/customvision/v3.0/Prediction/{PROJECT}/classify/iterations/v1/image",
        f"//customvision/v3.1/prediction/{PROJECT}/classify/iterations/v1/image",
        f"/customvision//v3.3/prediction//{PROJECT.upper()}/Classify/Iterations/a%2Fb/Image/NoStore",
        f"/CustomVision/V3.4-Preview/prediction/{PROJECT}/classify/iterations/100%25/image?application=kiosk",
    ],
)
def test_paths(client: TestClient, picture: Any, path: str) -> None:
    # The client would take `//colours` for a host.
    response = client.post(f"http://testserver{path}", content=picture())
    assert response.status_code == 200
    assert {one["tagName"] for one in response.json()["predictions"]} == {"red", "green", "blue"}


@pytest.mark.parametrize(
    ("headers", "wrap", "kind"),
    [
        (OCTETS, bytes, "JPEG"),
        ({}, bytes, "PNG"),
        ({"content-type": "application/x-www-form-urlencoded"}, bytes, "GIF"),
        (FORM, part, "WEBP"),
        (FORM, part, "TIFF"),
        (OCTETS, bytes, "AVIF"),
        (FORM, lambda image: part(image, 'name="imagedata"; filename="a.jpg"'), "JPEG"),
        (FORM, lambda image: part(image, headers="Content-Type: application/octet-stream\r\n"), "BMP"),
    ],
)
@pytest.mark.parametrize("path", ["/image", CLOUD])
def test_ways_to_send_an_image(
    client: TestClient, picture: Any, path: str, headers: dict[str, str], wrap: Any, kind: str
) -> None:
    response = client.post(path, content=wrap(picture(kind=kind)), headers=headers)
    assert response.status_code == 200
    assert max(response.json()["predictions"], key=lambda one: one["probability"])["tagName"] == "red"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"path": CLOUD.replace(PROJECT, "roses")}, "BadRequestInvalidIds", "roses"),
        ({"path": CLOUD.replace("classify", "detect")}, "BadRequestOperationNotSupported", "classifies"),
        ({"path": CLOUD + "?application=a&Application=b"}, "BadRequestInvalid", "application once"),
        ({"content": b"no image"}, "BadRequestImageFormat", "Expected"),
        ({"content": b""}, "BadRequestImageStream", "imageData"),
        ({"content": part(b"x", 'name="file"'), "headers": FORM}, "BadRequestImageStream", "imageData"),
        ({"content": b"none", "headers": FORM}, "BadRequestImageStream", "multipart"),
        ({"content": bomb()}, "BadRequestImageDimensions", "60000x60000"),
        ({"content": bytes(MAX_IMAGE + 1)}, "BadRequestImageSizeBytes", "4 MB"),
        ({"content": bytes(MAX_BODY + 1)}, "BadRequestImageSizeBytes", "4 MB"),
        ({"content": bytes(MAX_DISCARD + 1)}, "BadRequestImageSizeBytes", "4 MB"),
        ({"path": CLOUD.replace("/image", "/url"), "content": b"no JSON"}, "BadRequestImageUrl", "url"),
        ({"path": CLOUD.replace("/image", "/url"), "content": b"[1]"}, "BadRequestImageUrl", "url"),
        ({"path": CLOUD.replace("/image", "/url"), "content": b'{"url": 1}'}, "BadRequestImageUrl", "url"),
    ],
)
def test_refusals_of_the_cloud(
    client: TestClient, picture: Any, change: dict[str, Any], code: str, words: str
) -> None:
    options = {"path": CLOUD, "content": picture()} | change
    response = client.post(options.pop("path"), **options)
    assert response.status_code == 400
    assert set(response.json()) == {"code", "message"}
    assert response.json()["code"] == code
    assert words in response.json()["message"]


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/image", b"no image", 500),
        ("/image", bytes(MAX_BODY + 1), 500),
        ("/colours/detect/iterations/v1/image", None, 500),
        ("/url", b"no JSON", 200),
        ("/colours/classify/iterations/v1/url/nostore", b'{"url": "ftp://example.com/a.jpg"}', 200),
        ("/colours/detect/iterations/v1/url", b"{}", 200),
    ],
)
def test_refusals_of_a_container(
    client: TestClient, picture: Any, path: str, content: bytes | None, status: int
) -> None:
    response = client.post(path, content=content or picture())
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/plain")
    assert response.text.startswith("Error processing image: ")


def test_a_truncated_image(client: TestClient, picture: Any) -> None:
    assert client.post(CLOUD, content=picture()[:300]).json()["code"] == "BadRequestImageFormat"


def test_the_largest_image(client: TestClient, picture: Any) -> None:
    image = picture(kind="BMP")
    assert client.post(CLOUD, content=image + bytes(MAX_IMAGE - len(image))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CLOUD),
        ("GET", "/image"),
        ("POST", "/"),
        ("GET", "/other"),
        ("POST", "/a/b/image"),
        ("POST", "/image/store"),
        ("POST", CLOUD.replace("v3.1", "v4.0")),
        ("POST", "/customvision/v3.3/training/projects"),
    ],
)
def test_other_routes(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 404
    assert response.json() == {"statusCode": 404, "message": "Resource not found"}


def test_banner_and_health(client: TestClient) -> None:
    assert client.get("/").text.startswith("colours: ")
    assert client.get("/healthz").json() == {"status": "ok", "iteration": ITERATION}


@pytest.mark.parametrize("path", [CLOUD, "/image", "/url"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Prediction-Key": "wrong"}, 401),
        ({"Prediction-Key": ""}, 401),
        ({"prediction-key": "s3cret"}, 200),
        ({"Training-key": "s3cret"}, 200),
        ({"Ocp-Apim-Subscription-Key": "s3cret"}, 200),
    ],
)
def test_the_key(
    client_of: Callable[..., TestClient], picture: Any, path: str, headers: dict[str, str], status: int
) -> None:
    client = client_of(PREDICTION_KEY="s3cret")
    # As a body of `/url` it is refused as a container refuses, with 200.
    response = client.post(path, content=picture(), headers=headers)
    assert response.status_code == status
    if status == 401:
        assert response.json()["error"]["code"] == "401"
    assert client.get("/healthz").status_code == 200


def test_a_key_in_the_query(client_of: Callable[..., TestClient], picture: Any) -> None:
    response = client_of(PREDICTION_KEY="s3cret").post("/image?Prediction-Key=s3cret", content=picture())
    assert response.status_code == 401
    assert "The query names a key" in response.json()["error"]["message"]
    assert "s3cret" not in response.text


def test_a_listed_host(client_of: Callable[..., TestClient], picture: Any) -> None:
    path = CLOUD.replace("/image", "/url")
    with photo_server(picture()) as web:
        body = {"url": f"{web.base}/photo"}
        assert "URL_FETCH_ALLOW" in client_of().post(path, json=body).json()["message"]
        assert (
            client_of(URL_FETCH="off", URL_FETCH_ALLOW="127.0.0.1").post(path, json=body).status_code == 200
        )


def test_too_many_at_once(files: Any, picture: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_CONCURRENCY", 0)
    client = TestClient(app.Application(load_model(files), read_settings({})))
    response = client.post(CLOUD, content=picture())
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert response.json()["error"]["code"] == "429"


def test_a_photo_that_is_alone_may_take_all_cores(
    files: Any, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(files)
    told: list[bool] = []
    predict = model.predict

    def watched(data: bytes, alone: Callable[[], bool]) -> Any:
        told.append(alone())
        return predict(data, alone)

    monkeypatch.setattr(model, "predict", watched)
    application = app.Application(model, read_settings({}))
    client = TestClient(application)
    answers = [client.post(CLOUD, content=picture()).json()["predictions"]]
    application._admission.predictions += 1  # another one is under way
    answers.append(client.post(CLOUD, content=picture()).json()["predictions"])
    assert told == [True, False]
    assert answers[0] == answers[1]


def ask_slowly(files: Any, messages: list[dict[str, Any]]) -> list[Any]:
    """What the server sends to a client that sends `messages`, and then nothing."""
    sent: list[Any] = []

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        return await anyio.sleep_forever()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": CLOUD, "headers": [], "raw_path": CLOUD.encode()}
    application = app.Application(load_model(files), read_settings({}))
    anyio.run(application, scope, receive, send)
    return sent


def test_an_upload_that_does_not_end(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "SECONDS", 0.05)
    monkeypatch.setattr(lingering, "SECONDS", 0.05)
    sent = ask_slowly(files, [{"type": "http.request", "body": b"\xff\xd8", "more_body": True}])
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_a_client_that_goes_away(files: Any) -> None:
    assert ask_slowly(files, [{"type": "http.disconnect"}]) == []


@pytest.fixture
def web(picture: Any) -> Iterator[WebServer]:
    with photo_server(picture()) as server:
        yield server


@pytest.mark.parametrize("key", ["url", "Url", "URL"])
@pytest.mark.parametrize(
    "path",
    [
        "/url",
        "/colours/url/nostore",
        "/customvision/v2.0/Prediction/12121212-3434-4565-8787-989898989898/url",
        "/customvision/v3.1/prediction/12121212-3434-4565-8787-989898989898/classify/iterations/v1/url",
    ],
)
def test_url_routes(client_of: Any, web: WebServer, path: str, key: str) -> None:
    answer = client_of(URL_FETCH="any").post(path, content=json.dumps({key: f"{web.base}/photo"})).json()
    assert max(answer["predictions"], key=lambda one: one["probability"])["tagName"] == "red"


def test_url_routes_refuse(client: TestClient, web: WebServer) -> None:
    response = client.post("/url", json={"url": f"{web.base}/photo"})
    assert response.status_code == 200
    assert response.text.startswith("Error processing image: ")
    assert web.asked == []


@pytest.mark.parametrize(
    ("environment", "origin", "allowed"),
    [
        ({"PREDICTION_KEY": "k"}, "https://app.example", "*"),
        ({}, "http://localhost:8080", "http://localhost:8080"),
        ({}, "https://app.example", None),
        ({"ORIGINS": "https://app.example"}, "https://app.example", "https://app.example"),
        ({"ORIGINS": "*"}, "https://app.example", "*"),
        ({"ORIGINS": "none"}, "http://localhost:8080", None),
        ({"PREDICTION_KEY": "k", "ORIGINS": "https://a.example"}, "https://app.example", None),
    ],
)
def test_web_pages(
    client_of: Callable[..., TestClient],
    picture: Any,
    environment: dict[str, str],
    origin: str,
    allowed: str | None,
) -> None:
    client, key = client_of(**environment), {"Prediction-Key": "k"}
    for path in ("/image", CLOUD):
        asked = client.options(path, headers={"origin": origin, "access-control-request-method": "POST"})
        assert (asked.status_code, asked.headers.get(ALLOW)) == (204 if allowed else 403, allowed)
        answer = client.post(path, content=picture(), headers={"origin": origin, **key})
        assert answer.headers.get(ALLOW) == allowed
        assert answer.status_code == (200 if allowed or "PREDICTION_KEY" in environment else 403)
        assert client.post(path, content=picture(), headers=key).status_code == 200
    assert client.post(CLOUD, content=b"", headers={"origin": origin, **key}).headers.get(ALLOW) == allowed
