from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from fake_project import PROJECT, TAGS
from serving_helpers import IDS, PROJECT_ID, FakeSource, build_client, picture, picture_of_bytes, url
from starlette.testclient import TestClient

from dahlia.modeling.card import tag_id
from dahlia.serving.answers import timestamp
from dahlia.serving.body import MAX_BODY, MAX_DISCARD, MAX_IMAGE

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


@pytest.mark.parametrize("version", ["v3.0", "v3.1", "v3.3", "v3.4-preview", "V3.0"])
@pytest.mark.parametrize("shape", ["/customvision/{v}/prediction/{p}/classify/iterations/v1/image"])
def test_versions(client: TestClient, version: str, shape: str) -> None:
    assert client.post(shape.format(v=version, p=PROJECT_ID), content=picture()).status_code == 200


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
        (url(project=UNKNOWN), {}, 404, "NotFoundProject", UNKNOWN),
        (url(project="roses"), {}, 400, "BadRequestInvalidIds", "roses"),
        (
            url(task="detect"),
            {},
            400,
            "BadRequestOperationNotSupported",
            "Invalid project type for operation",
        ),
        (url(), {"content": b"not an image"}, 400, "BadRequestImageFormat", "Expected"),
        (url(), {"content": picture()[:300]}, 400, "BadRequestImageFormat", "Expected"),
        (url(), {"content": b""}, 400, "BadRequestImageStream", "imageData"),
        (url(), {"content": part('name="file"'), "headers": FORM}, 400, "BadRequestImageStream", "imageData"),
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
            {"content": picture(), "headers": {"content-type": "multipart/form-data"}},
            400,
            "BadRequestImageStream",
            "multipart",
        ),
        (url(), {"content": picture_of_bytes(MAX_IMAGE + 1)}, 400, "BadRequestImageSizeBytes", "4 MB"),
        (url(), {"content": bytes(MAX_BODY + 1)}, 400, "BadRequestImageSizeBytes", "4 MB"),
        (url(), {"content": bytes(MAX_DISCARD + 1)}, 400, "BadRequestImageSizeBytes", "4 MB"),
    ],
)
def test_refusals(
    client: TestClient, path: str, options: dict[str, Any], status: int, code: str, words: str
) -> None:
    response = client.post(path, **({"content": picture()} | options))
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
        ("GET", url()),
        ("POST", url(end="/store")),
        ("POST", url().replace("/image", "/url")),
        ("POST", url().replace("v3.1", "v4.0")),
        ("POST", url().replace("v3.1", "v2.0")),
        ("POST", "/customvision/v3.3/training/projects"),
        ("POST", "/customvision/"),
    ],
)
def test_other_routes(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 404
    assert response.json() == {"statusCode": 404, "message": "Resource not found"}


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
