"""What users read who send a key, an image or a batch to the wrong place, or something else than an image."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from image_cases import photo, statuses, tag_names
from prediction_cases import asked, picture, published_garden, tags_of
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.keys.keys import Scope, create_key

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(100)
RAW_PHOTO = b"\0\0\0\x18ftypcrx \0\0\0\0" + bytes(100)
OCTETS = {"content-type": "application/octet-stream"}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is tried here reaches both databases alike."""
    return f"sqlite:///{tmp_path / 'home' / 'dahlia.db'}"


@pytest.fixture
def project(server: Server) -> ProjectRow:
    return published_garden(server)


def test_keys_in_the_wrong_place(client: TestClient, server: Server, project: ProjectRow, key: str) -> None:
    del client.headers["Training-Key"]
    for path, header in ((asked(project), "Prediction-Key"), ("/projects", "Training-Key")):
        for given, words in (
            ({}, "brings none"),
            ({"headers": {header: "wrong"}}, f"The key in the header {header} is unknown"),
            ({"headers": {"Authorization": f"Bearer {key}"}}, "The header Authorization is not read"),
            ({"params": {"Prediction-Key": key}}, "The query names a key"),
        ):
            answer = client.post(path, **given)  # type: ignore[arg-type]
            assert answer.status_code == 401
            message = answer.json()["error"]["message"]
            assert words in message
            assert f"Send a valid key in the header {header}." in message
            assert key not in message


def test_space_around_a_key(client: TestClient, project: ProjectRow, key: str) -> None:
    for header in ("Training-Key", "Prediction-Key"):
        headers = {"Training-Key": "", header: f" \t{key}\t "}
        assert client.get("/projects", headers=headers).status_code == 200
        assert client.post(asked(project), headers=headers, content=picture()).status_code == 200


def test_keys_of_another_scope(client: TestClient, server: Server, project: ProjectRow) -> None:
    for scope, method, path, needed, header in (
        (Scope.PREDICTION, "GET", "/projects", "read", "Training-Key"),
        (Scope.PREDICTION, "POST", "/projects?name=a", "training", "Training-Key"),
        (Scope.READ, "POST", asked(project), "prediction", "Prediction-Key"),
    ):
        with server.database.write() as session:
            text = create_key(session, "app", scope, None, server.now())[1]
        answer = client.request(method, path, headers={"Training-Key": text})
        assert answer.status_code == 403
        message = answer.json()["message"]
        assert f"has the scope `{scope}`" in message
        assert f"needs `{needed}`" in message
        assert f"in the header {header}" in message


def test_bodies_for_another_operation(client: TestClient, project: ProjectRow) -> None:
    image, url = {"content": photo(1), "headers": OCTETS}, {"json": {"url": "https://example.com/a.jpg"}}
    batch = {"json": {"images": [{"contents": base64.b64encode(photo(1)).decode()}]}}
    base = f"/projects/{project.id}"
    cases: list[tuple[str, dict[str, Any], str]] = [
        (asked(project), url, "with url in place of image"),
        (asked(project), {"content": b"https://example.com/a.jpg"}, "with url in place of image"),
        (asked(project, end="url"), image, "with image in place of url"),
        (asked(project, end="url"), {"files": {"file": photo(1)}}, "with image in place of url"),
        (asked(project), {"content": b""}, "an empty body"),
        (asked(project), {"content": HEIC}, "HEIC"),
        (asked(project), {"files": {"file": HEIC}}, "HEIC"),
        (asked(project), {"content": RAW_PHOTO}, "a camera's raw photo (CR3)"),
        (asked(project), {"content": b"<html></html>"}, "a web page"),
        (asked(project), {"files": [("a", picture()), ("b", picture())]}, "one image, received 2"),
        (
            asked(project),
            {"files": {"a": picture()}, "data": {"application": "x"}},
            "application in the query",
        ),
        (asked(project), {"content": b"x", "headers": {"content-type": "multipart/form-data"}}, "boundary"),
        (base + "/images", batch, "images/files"),
        (base + "/images", {"content": b""}, "an empty body"),
        (base + "/images/files", image, "Expected JSON with images in base64, received a JPEG image. POST"),
        (base + "/images/files", {"json": batch["json"]["images"]}, "received a list"),
        (base + "/images/urls", image, "to .../images"),
        (base + "/images/urls", {"json": [{"url": "https://example.com/a.jpg"}]}, "received a list"),
        (base + "/quicktest/image", url, "with url in place of image"),
        (base + "/quicktest/url", image, "with image in place of url"),
    ]
    for path, given, words in cases:
        answer = client.post(path, **given)
        assert answer.status_code == 400, (path, answer.text)
        assert words in answer.json()["message"], (path, answer.text)


def test_methods_and_encodings(client: TestClient, project: ProjectRow) -> None:
    for path in (asked(project), f"/projects/{project.id}/train"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    for path in (asked(project), f"/projects/{project.id}/images", f"/projects/{project.id}/images/tags"):
        answer = client.post(path, content=b"\x1f\x8b", headers={"content-encoding": "gzip"})
        assert (answer.status_code, answer.json()["code"]) == (415, "UnsupportedMediaType")
        assert "Content-Encoding: gzip" in answer.json()["message"]


def test_a_form_as_clients_write_it(client: TestClient, server: Server, project: ProjectRow) -> None:
    """Other names, tags beside the files, a file that is no image, and reasons in a header."""
    path, tags = f"/projects/{project.id}/images", tags_of(server, project)
    files = [
        (name, ("a.jpg", photo(number), None)) for number, name in enumerate(("file", "image", "imageData1"))
    ]
    data = {"tagIds": tags["red"], "comment": "from the phone"}
    answer = client.post(path, params={"tagIds": tags["red"]}, files=files, data=data)
    assert statuses(answer.json()) == ["OK"] * 3
    assert [tag_names(one["image"]) for one in answer.json()["images"]] == [["red"]] * 3
    assert "dahlia-reasons" not in answer.headers
    answer = client.post(path, files=[("a", RAW_PHOTO), ("b", b""), ("c", photo(9))])
    assert statuses(answer.json()) == ["ErrorImageFormat", "ErrorImageFormat", "OK"]
    assert answer.headers["dahlia-reasons"].startswith(
        "image 1: Expected a JPEG, PNG, BMP, GIF, WebP, TIFF, HEIC or AVIF image, "
    )
    assert "image 2: Expected an image, received an empty file" in answer.headers["dahlia-reasons"]
    answer = client.post(path, files={"a": photo(1)}, data={"tagIds": "red"})
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestInvalidIds")


def test_ways_to_send_an_image_to_predict(client: TestClient, project: ProjectRow) -> None:
    image = picture()
    form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n' + image + b"\r\n--x--"
    ways: list[dict[str, Any]] = [
        {"files": {"file": image}},
        {"files": {"file": image}, "data": {"note": "x"}},
        {"content": image, "headers": {"content-type": "multipart/form-data"}},
        {"content": form, "headers": OCTETS},
        {"content": form},
        {"content": base64.b64encode(image), "headers": {"content-type": "text/plain"}},
        {"content": b"data:image/png;base64," + base64.b64encode(image)},
        {"files": {"imageData": (None, base64.b64encode(image))}},
    ]
    for given in ways:
        assert client.post(asked(project, end="image/nostore"), **given).status_code == 200, given


def test_405_names_every_method_of_the_path(client: TestClient, project: ProjectRow) -> None:
    cases = {f"/projects/{project.id}": "DELETE, GET, PATCH", "/projects": "GET, POST"}
    for path, methods in (cases | {"/projects/import": "POST"}).items():
        answer = client.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
