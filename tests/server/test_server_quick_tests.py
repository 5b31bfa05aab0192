from __future__ import annotations

from typing import Any

import pytest
from prediction_cases import NOWHERE, add_iteration, new_garden, picture
from server_rows import add_project
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.keys.keys import Scope, create_key


@pytest.fixture
def project(server: Server) -> ProjectRow:
    return new_garden(server)


def quick_test(client: TestClient, project: ProjectRow, **given: Any) -> Any:
    body = {} if {"files", "json"} & given.keys() else {"content": picture()}
    return client.post(f"/projects/{project.id}/quicktest/image", **body | given)


def stored(client: TestClient, project: ProjectRow) -> list[dict[str, Any]]:
    answer = client.post(f"/projects/{project.id}/predictions/query", json={})
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def test_the_iteration_that_is_named(client: TestClient, server: Server, project: ProjectRow) -> None:
    first = add_iteration(server, project, 1, favourite=2)
    add_iteration(server, project, 2, favourite=1)
    answer = quick_test(client, project, params={"iterationId": first.id.upper()})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["iteration"], said["project"]) == (first.id, project.id)
    assert said["predictions"][0]["tagName"] == "blue"
    (kept,) = stored(client, project)
    assert (kept["id"], kept["predictions"]) == (said["id"], said["predictions"])


def test_the_one_trained_last_not_kept(client: TestClient, server: Server, project: ProjectRow) -> None:
    add_iteration(server, project, 1)
    last = add_iteration(server, project, 2)
    add_iteration(server, project, 3, status="Training", files=False)
    answer = quick_test(client, project, params={"store": "false"})
    assert answer.json()["iteration"] == last.id
    assert stored(client, project) == []


BODIES: list[dict[str, Any]] = [
    {"files": {"imageData": picture()}},
    {"files": {"imageData": ("rose.png", picture(), "application/octet-stream")}},
    {"headers": {"content-type": "application/octet-stream"}},
]


def test_bodies(client: TestClient, server: Server, project: ProjectRow) -> None:
    add_iteration(server, project)
    for given in BODIES:
        assert quick_test(client, project, **given).status_code == 200


def test_images_up_to_six_megabytes(client: TestClient, server: Server, project: ProjectRow) -> None:
    add_iteration(server, project)
    image = picture(size=(1500, 1000), kind="BMP")
    assert 4 << 20 < len(image) < 6 << 20
    assert quick_test(client, project, content=image).status_code == 200
    for size in ((6 << 20) + 1, 8 << 20):
        answer = quick_test(client, project, content=image + bytes(size - len(image)))
        assert answer.json()["code"] == "BadRequestImageSizeBytes"
        assert answer.status_code in (400, 413)


NO_IMAGES: list[tuple[dict[str, Any], str]] = [
    ({"content": b"rose"}, "BadRequestImageFormat"),
    ({"content": b""}, "BadRequestImageStream"),
    ({"files": {"imageData": b""}}, "BadRequestImageStream"),
    ({"files": {"other": b"x"}}, "BadRequestImageFormat"),
    ({"files": {"other": (None, b"x")}}, "BadRequestImageStream"),
    ({"files": {"a": picture(), "b": picture()}}, "BadRequestImageStream"),
    ({"files": {"imageData": picture()}, "data": {"iterationId": NOWHERE}}, "BadRequestInvalid"),
    ({"json": {"url": "http://example.com/a.jpg"}}, "BadRequestImageStream"),
]


def test_bodies_that_are_no_image(client: TestClient, server: Server, project: ProjectRow) -> None:
    add_iteration(server, project)
    for body, code in NO_IMAGES:
        answer = quick_test(client, project, **body)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_iterations_that_cannot_answer(client: TestClient, server: Server, project: ProjectRow) -> None:
    answer = quick_test(client, project)
    assert (answer.status_code, answer.json()["code"]) == (404, "NotFoundProjectDefaultIteration")
    waiting = add_iteration(server, project, status="Training", files=False)
    lost = add_iteration(server, project, 2, files=False)
    for identity, status, code in (
        (waiting.id, 400, "BadRequestIterationIsNotTrained"),
        (NOWHERE, 404, "NotFoundIteration"),
        ("rose", 400, "BadRequestInvalidIds"),
        (lost.id, 500, "ErrorPredictionModelNotFound"),
    ):
        answer = quick_test(client, project, params={"iterationId": identity})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    other = add_project(server, "other")
    answer = quick_test(client, other, params={"iterationId": lost.id})
    assert answer.json()["code"] == "NotFoundIteration"


def test_the_image_at_an_address(client: TestClient, server: Server, project: ProjectRow) -> None:
    add_iteration(server, project)
    path = f"/projects/{project.id}/quicktest/url"
    for body, code in (
        ({"url": "http://127.0.0.1:1/rose.jpg"}, "BadRequestImageUrl"),
        ({"Url": "ftp://example.com/rose.jpg"}, "BadRequestImageUrl"),
        ({}, "BadRequestRequiredParamIsNull"),
    ):
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    answer = client.post(path, content=picture(), headers={"content-type": "application/octet-stream"})
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestImageUrl")
    assert "image in place of url" in answer.json()["message"]


def test_keys_that_may_not(client: TestClient, server: Server, project: ProjectRow) -> None:
    add_iteration(server, project)
    for scope in (Scope.READ, Scope.PREDICTION):
        with server.database.write() as session:
            text = create_key(session, "another", scope, None, server.now())[1]
        assert quick_test(client, project, headers={"Training-Key": text}).status_code == 403


def test_too_much_to_do(client: TestClient, server: Server, project: ProjectRow) -> None:
    add_iteration(server, project)
    app: Any = client.app
    while not hasattr(app, "_service"):
        app = app._app
    app._service.admission._most = 0
    answer = quick_test(client, project)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "429")
    assert answer.headers["retry-after"] == "1"
