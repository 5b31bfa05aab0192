from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import anyio
import pytest
from fake_project import PROJECT, TAGS
from serving_helpers import (
    IDS,
    PROJECT_ID,
    FakeSource,
    build_client,
    picture,
    picture_of_bytes,
    png_of_size,
    url,
)
from starlette.testclient import TestClient

from dahlia.http import fetch
from dahlia.http.body import MAX_BODY, MAX_DISCARD, MAX_IMAGE
from dahlia.http.replies import timestamp
from dahlia.modeling.card import tag_id
from photo_server import WebServer, photo_server

OCTETS = {"content-type": "application/octet-stream"}
FORM = {"content-type": "multipart/form-data; boundary=x"}


def part(disposition: str, content: bytes = b"", headers: str = "") -> bytes:
    content = content or picture()
    head = f"--x\r\nContent-Disposition: form-data; {disposition}\r\n{headers}\r\n".encode()
    return head + content + b"\r\n--x--\r\n"


def test_the_answer(client: TestClient) -> None:
    response = client.post(url(), content=picture((250, 0, 0)), headers=OCTETS)
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == ["id", "project", "iteration", "created", "predictions"]
    assert uuid.UUID(answer["id"])
    assert (answer["project"], answer["iteration"]) == (PROJECT_ID, IDS[1])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", answer["created"])
    predictions = answer["predictions"]
    assert [set(one) for one in predictions] == [{"probability", "tagId", "tagName", "tagType"}] * 3
    assert predictions[0]["tagName"] == "red"
    assert predictions[0]["tagId"] == tag_id(PROJECT, "red")
    assert {one["tagName"] for one in predictions} == set(TAGS)
    probabilities = [one["probability"] for one in predictions]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert uuid.UUID(response.headers["apim-request-id"])
    assert response.headers["request-id"] == response.headers["apim-request-id"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (OCTETS, picture()),
        ({}, picture(kind="PNG")),
        ({"content-type": "application/x-www-form-urlencoded"}, picture(kind="GIF")),
        (FORM, part('name="imageData"')),
        (FORM, part('name="imagedata"; filename="a.jpg"')),
        (FORM, part('name="imageData"', headers="Content-Type: application/octet-stream\r\n")),
        (
            FORM,
            part('name="imageData"; filename="a.bmp"', picture(kind="BMP"), "Content-Type: image/bmp\r\n"),
        ),
    ],
)
def test_ways_to_send_an_image(client: TestClient, headers: dict[str, str], body: bytes) -> None:
    response = client.post(url(), content=body, headers=headers)
    assert response.status_code == 200
    assert response.json()["predictions"][0]["tagName"] == "red"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with photo_server(picture((250, 0, 0))) as server:
        yield server


BASES = [
    "/customvision/v3.0/prediction",
    "/customvision/v3.0/Prediction",
    "/customvision/v3.1/prediction",
    "//customvision/v3.1/prediction",
    "/CustomVision//V3.2/prediction",
    "/customvision/v3.3/Prediction",
    "/customvision/v3.4-preview/prediction",
]
OLD_BASES = [
    "/customvision/v2.0/Prediction",
    "//customvision/v2.1/prediction",
    "/customvision/v2.2/prediction",
]
ENDS = ["image", "image/nostore", "url", "url/nostore"]


def options_of(end: str, web: WebServer) -> dict[str, Any]:
    if end.startswith("url"):
        return {"json": {"Url": f"{web.base}/photo"}}
    return {"content": picture((250, 0, 0))}


@pytest.mark.parametrize("task", ["classify", "detect"])
def test_every_operation_under_every_base(source: FakeSource, web: WebServer, task: str) -> None:
    with build_client(source, DAHLIA_URL_FETCH="any") as client:
        for base, end in itertools.product(BASES, ENDS):
            # The client would take `//customvision` for a host.
            path = f"http://testserver{base}/{PROJECT_ID}/{task}/iterations/v1/{end}"
            response = client.post(path, **options_of(end, web))
            if task == "classify":
                assert response.status_code == 200, path
                assert response.json()["predictions"][0]["tagName"] == "red"
            else:
                assert response.status_code == 400, path
                assert response.json()["code"] == "BadRequestOperationNotSupported"
    assert len(web.asked) == (2 * len(BASES) if task == "classify" else 0)


@pytest.mark.parametrize(
    "query", ["", f"?iterationId={IDS[1]}", f"?iterationid={IDS[1].upper()}&application=a"]
)
def test_version_2(source: FakeSource, web: WebServer, query: str) -> None:
    with build_client(source, DAHLIA_URL_FETCH="any") as client:
        for base, end in itertools.product(OLD_BASES, ENDS):
            path = f"http://testserver{base}/{PROJECT_ID}/{end}{query}"
            response = client.post(path, **options_of(end, web))
            assert response.status_code == 200, path
            assert response.json()["iteration"] == IDS[1]
            assert response.json()["predictions"][0]["tagName"] == "red"


def test_version_1_had_other_names(client: TestClient) -> None:
    path = f"/customvision/v1.1/Prediction/{PROJECT_ID}/image"
    answer = client.post(path, content=picture((250, 0, 0))).json()
    assert list(answer) == ["Id", "Project", "Iteration", "Created", "Predictions"]
    assert answer["Predictions"][0]["Tag"] == "red"
    assert set(answer["Predictions"][0]) >= {"TagId", "Probability"}
    assert set(client.post(path, content=b"").json()) == {"Code", "Message"}


@pytest.mark.parametrize(
    ("names", "query", "status", "code"),
    [
        ({"v1": 1, "v2": 2}, f"?iterationId={IDS[2]}", 200, ""),
        ({"v1": 1, "v2": 2}, "", 404, "NotFoundProjectDefaultIteration"),
        ({"v1": 1, "v2": 2}, f"?iterationId={IDS[3]}", 404, "NotFoundIteration"),
        ({"v1": 1}, "?iterationId=1", 400, "BadRequestInvalidIds"),
        ({}, f"?iterationId={IDS[1]}", 503, "ErrorPredictionServiceUnavailable"),
    ],
)
def test_the_iteration_of_version_2(
    source: FakeSource, names: dict[str, int], query: str, status: int, code: str
) -> None:
    source.names = names
    with build_client(source) as client:
        path = f"/customvision/v2.0/Prediction/{PROJECT_ID}/image{query}"
        response = client.post(path, content=picture())
    assert response.status_code == status
    assert response.json().get("code", "") == code


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/status/404", "BadRequestImageUrl", "404"),
        ("/endless", "BadRequestImageSizeBytes", "4 MB"),
        ("/trickle", "BadRequestImageUrl", "did not come within"),
        ("/to/file:///etc/passwd", "BadRequestImageUrl", "http://"),
        ("/empty", "BadRequestImageStream", "empty"),
        ("/text", "BadRequestImageFormat", "Expected"),
    ],
)
def test_addresses_without_an_image(
    source: FakeSource, web: WebServer, monkeypatch: pytest.MonkeyPatch, path: str, code: str, words: str
) -> None:
    if path == "/trickle":
        monkeypatch.setattr(fetch, "SECONDS", 0.5)
    with build_client(source, DAHLIA_URL_FETCH="any") as client:
        response = client.post(url(end="url"), json={"url": web.base + path})
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert words in response.json()["message"]


def test_a_redirect_to_a_private_address(
    source: FakeSource, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first host counts as public here; where it redirects to does not."""
    resolve = anyio.getaddrinfo

    async def stand_in(host: str, port: int, **options: Any) -> Any:
        return await resolve("127.0.0.1" if host == "photos.example" else host, port, **options)

    monkeypatch.setattr(anyio, "getaddrinfo", stand_in)
    judged = iter([True, False])
    monkeypatch.setattr(fetch, "is_public", lambda _: next(judged))
    monkeypatch.setattr(fetch, "_is_own", lambda _: False)
    with build_client(source) as client:
        address = f"http://photos.example:{web.server_port}/to/{web.base}/photo"
        response = client.post(url(end="url"), json={"url": address})
    assert response.json()["code"] == "BadRequestImageUrl"
    assert "no public address" in response.json()["message"]
    assert web.asked == [f"/to/{web.base}/photo"]


def test_a_listed_host(source: FakeSource, web: WebServer) -> None:
    body = {"url": f"{web.base}/photo"}
    with build_client(source) as client:
        assert "DAHLIA_URL_FETCH_ALLOW" in client.post(url(end="url"), json=body).json()["message"]
    with build_client(source, DAHLIA_URL_FETCH_ALLOW=f"127.0.0.1:{web.server_port}") as client:
        assert client.post(url(end="url"), json=body).status_code == 200


def test_fetching_can_be_switched_off(source: FakeSource, web: WebServer) -> None:
    with build_client(source, DAHLIA_URL_FETCH="off") as client:
        response = client.post(url(end="url"), json={"url": f"{web.base}/photo"})
    assert response.json()["code"] == "BadRequestImageUrl"
    assert web.asked == []


@pytest.mark.parametrize(
    "path",
    [
        f"/customvision/v3.0/Prediction/{PROJECT_ID}/classify/iterations/v1/image",
        f"//customvision/v3.1/prediction/{PROJECT_ID}/classify/iterations/v1/image",
        f"/customvision//v3.1/prediction//{PROJECT_ID.upper()}/Classify/Iterations/v1/Image/NoStore",
        f"/CustomVision/v3.1/prediction/{PROJECT_ID}/classify/iterations/Iteration%201/image/nostore",
        f"/customvision/v3.1/prediction/{PROJECT_ID}/classify/iterations/v1/image?application=kiosk",
        f"/customvision/v3.1/prediction/{PROJECT_ID}/classify/iterations/v1/image/",
    ],
)
def test_paths(client: TestClient, path: str) -> None:
    # The client would take `//customvision` for a host.
    assert client.post(f"http://testserver{path}", content=picture()).status_code == 200


@pytest.mark.parametrize(
    ("name", "segment"),
    [("a/b c", "a%2Fb%20c"), ("日本", "%E6%97%A5%E6%9C%AC"), ("100%", "100%25"), ("a+b", "a+b")],
)
def test_any_publish_name_fits_in_the_path(source: FakeSource, name: str, segment: str) -> None:
    source.names = {name: 1}
    with build_client(source) as client:
        assert client.post(url(segment), content=picture()).status_code == 200


UNKNOWN = "11111111-1111-1111-1111-111111111111"


@pytest.mark.parametrize(
    ("path", "options", "status", "code", "words"),
    [
        (url("nobody"), {}, 404, "NotFoundIteration", "Invalid iteration"),
        (url("nobody", end="url"), {}, 404, "NotFoundIteration", "Invalid iteration"),
        (url(end="url"), {"content": b""}, 400, "BadRequestImageUrl", '{"url": '),
        (url(end="url"), {"content": b"http://example.com/a.jpg"}, 400, "BadRequestImageUrl", '{"url": '),
        (url(end="url"), {"content": b'{"url": "http'}, 400, "BadRequestImageUrl", '{"url": '),
        (url(end="url"), {"content": b"[" * 100_000}, 400, "BadRequestImageUrl", '{"url": '),
        (url(end="url"), {"content": b"\xff\xfe\xfd"}, 400, "BadRequestImageUrl", '{"url": '),
        (url(end="url"), {"json": {"url": 1}}, 400, "BadRequestImageUrl", '{"url": '),
        (url(end="url"), {"json": {"url": ["a"]}}, 400, "BadRequestImageUrl", "received a list as url"),
        (url(end="url"), {"json": '{"url": "ftp://a"}'}, 400, "BadRequestImageUrl", "http://"),
        (
            url(),
            {"content": b"[object Object]"},
            400,
            "BadRequestImageStream",
            "the name of a script's object",
        ),
        (url(), {"headers": {"content-encoding": "gzip"}}, 415, "UnsupportedMediaType", "Compressed bodies"),
        (url() + "?Application=a&application=b", {}, 400, "BadRequestInvalid", "parameter application once"),
        (url() + "?application=%ff", {}, 400, "BadRequestInvalid", "UTF-8"),
        (url() + "?store=False", {}, 400, "BadRequestInvalid", "/nostore at the end of the path"),
        (url() + "?aplication=a", {}, 400, "BadRequestInvalid", "Did you mean application?"),
        (url() + f"?iterationId={UNKNOWN}", {}, 400, "BadRequestInvalid", "publish name in the path"),
        (url(end="url"), {"json": {"Url": "a", "Store": False}}, 400, "BadRequestInvalid", "with /nostore"),
        (
            url(end="url"),
            {"json": {"Url": "a", "iterationId": "b"}},
            400,
            "BadRequestInvalid",
            "in the query",
        ),
        (url(end="url"), {"json": ["http://example.com"]}, 400, "BadRequestImageUrl", '{"url": '),
        (url(end="url"), {"json": {"uri": "http://example.com"}}, 400, "BadRequestImageUrl", '{"url": '),
        (url(end="url"), {"json": {"url": ""}}, 400, "BadRequestImageUrl", "http://"),
        (url(end="url"), {"json": {"url": "ftp://example.com/a.jpg"}}, 400, "BadRequestImageUrl", "http://"),
        (url(end="url"), {"json": {"url": "file:///etc/passwd"}}, 400, "BadRequestImageUrl", "http://"),
        (url(end="url"), {"json": {"url": "http://127.0.0.1/a"}}, 400, "BadRequestImageUrl", "public"),
        (url(project=UNKNOWN), {}, 404, "NotFoundProject", UNKNOWN),
        (url(project="roses"), {}, 400, "BadRequestInvalidIds", "roses"),
        (
            url(task="detect"),
            {},
            400,
            "BadRequestOperationNotSupported",
            "Invalid project type for operation: expected to classify, received a request to detect",
        ),
        (url(), {"content": b"not an image"}, 400, "BadRequestImageFormat", "Expected"),
        (
            url(),
            {"content": b"<svg xmlns='http://www.w3.org/2000/svg'/>"},
            400,
            "BadRequestImageFormat",
            "SVG",
        ),
        (url(), {"content": png_of_size(60_000, 60_000)}, 400, "BadRequestImageDimensions", "60000x60000"),
        (url(), {"content": png_of_size(1_000_000, 1)}, 400, "BadRequestImageDimensions", "1000000x1"),
        (url(), {"content": picture()[:300]}, 400, "BadRequestImageFormat", "Expected"),
        (url(), {"content": b""}, 400, "BadRequestImageStream", "imageData"),
        (
            url(),
            {"content": part('name="a"', b"b"), "headers": FORM},
            400,
            "BadRequestImageStream",
            "imageData",
        ),
        (
            url(),
            {"content": part('name="imageData"', b"\0"), "headers": FORM},
            400,
            "BadRequestImageFormat",
            "",
        ),
        (url(), {"content": b"no multipart", "headers": FORM}, 400, "BadRequestImageStream", "multipart"),
        (
            url(),
            {"content": b"a", "headers": {"content-type": "multipart/form-data"}},
            400,
            "BadRequestImageStream",
            "boundary",
        ),
        (url(), {"content": picture_of_bytes(MAX_IMAGE + 1)}, 400, "BadRequestImageSizeBytes", "4 MB"),
        (url(), {"content": bytes(MAX_BODY + 1)}, 400, "BadRequestImageSizeBytes", "4 MB"),
        (url(), {"content": bytes(MAX_DISCARD + 1)}, 400, "BadRequestImageSizeBytes", "4 MB"),
    ],
)
def test_refusals(
    client: TestClient, path: str, options: dict[str, Any], status: int, code: str, words: str
) -> None:
    response = client.post(path, **({} if "json" in options else {"content": picture()}) | options)
    assert response.status_code == status
    body = response.json()
    assert set(body) == {"code", "message"}
    assert body["code"] == code
    assert words in body["message"]


def test_the_largest_image(client: TestClient) -> None:
    assert client.post(url(), content=picture_of_bytes(MAX_IMAGE)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", url(end="image/store")),
        ("POST", url().replace("v3.1", "v4.0")),
        ("POST", url().replace("v3.1", "v2.0")),
        ("POST", "/customvision/v3.3/training/projects"),
        ("POST", "/customvision/"),
        ("POST", "/customvision"),
    ],
)
def test_other_routes(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 404
    assert response.json() == {"statusCode": 404, "message": "Resource not found"}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(client: TestClient, method: str) -> None:
    response = client.request(method, url())
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_nothing_is_published(source: FakeSource) -> None:
    source.names = {}
    with build_client(source) as client:
        response = client.post(url(), content=picture())
    assert response.status_code == 503
    assert response.json()["code"] == "ErrorPredictionServiceUnavailable"
    assert "dahlia publish" in response.json()["message"]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2019, 9, 16, 15, 3, 28, 520_999, UTC), "2019-09-16T15:03:28.52Z"),
        (datetime(2019, 9, 16, 15, 3, 28, 0, UTC), "2019-09-16T15:03:28Z"),
        (datetime(2019, 9, 16, 15, 3, 28, 7_000, timezone(timedelta(hours=2))), "2019-09-16T13:03:28.007Z"),
    ],
)
def test_dates(moment: datetime, text: str) -> None:
    assert timestamp(moment) == text
