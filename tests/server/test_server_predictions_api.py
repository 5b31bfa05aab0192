from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prediction_cases import (
    NOWHERE,
    add_iteration,
    asked,
    configure,
    picture,
    predict,
    publish,
    published_garden,
    tags_of,
    talking,
)
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.http.access import KnownKeys
from dahlia.server.keys.keys import Scope, create_key, revoke_key


@pytest.fixture
def project(server: Server) -> ProjectRow:
    return published_garden(server)


def key_of(server: Server, scope: Scope, project: str | None = None) -> str:
    with server.database.write() as session:
        return create_key(session, "another", scope, project, server.now())[1]


@pytest.fixture
def photos() -> Iterator[str]:
    """The address of a picture on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(picture())

        def log_message(self, *_: object) -> None:
            pass

    host = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=host.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{host.server_address[1]}/photo.png"
    host.shutdown()
    thread.join()
    host.server_close()


def test_the_size_of_images_is_a_setting(client: TestClient, server: Server, project: ProjectRow) -> None:
    image = picture(size=(1500, 1000), kind="BMP")
    assert 4 << 20 < len(image) < 5 << 20
    forms: list[dict[str, Any]] = [{"content": image}, {"files": {"imageData": image}}]
    for most, status in ((4, 400), (5, 200), (2.5, 400)):
        configure(server, "limits", max_prediction_mb=most)
        for form in forms:
            answer = client.post(asked(project), **form)
            assert answer.status_code == status, answer.text
            assert status == 200 or f"at most {most:g} MB" in answer.json()["message"]


@pytest.mark.parametrize(("end", "form"), [("image", False), ("image/nostore", True)])
def test_classify_an_image(
    client: TestClient, server: Server, project: ProjectRow, end: str, form: bool
) -> None:
    body: dict[str, Any] = {"files": {"imageData": picture()}} if form else {"content": picture()}
    answer = client.post(asked(project, end=end), **body)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    tags = tags_of(server, project)
    assert said["project"] == project.id
    assert said["predictions"][0]["tagName"] == "green"
    assert {one["tagName"]: one["tagId"] for one in said["predictions"]} == tags
    assert answer.headers.get("dahlia-stored") == (None if "nostore" in end else "true")
    found = client.post(f"/projects/{project.id}/predictions/query", json={}).json()["results"]
    assert [one["id"] for one in found] == ([] if "nostore" in end else [said["id"]])


def test_classify_the_image_at_an_address(
    client: TestClient, server: Server, project: ProjectRow, photos: str
) -> None:
    body = {"url": photos}
    refused = client.post(asked(project, end="url"), json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "BadRequestImageUrl")
    configure(server, "security", url_fetch="any")
    answer = client.post(asked(project, end="url/nostore"), json=body)
    assert answer.json()["predictions"][0]["tagName"] == "green"


VERSIONS = [
    ("//customvision/v3.0/Prediction/{project}/classify/iterations/live/image", "predictions"),
    ("/customvision/v2.0/Prediction/{project}/image", "predictions"),
    ("/customvision/v1.1/Prediction/{project}/image/nostore", "Predictions"),
]


def test_other_versions(client: TestClient, project: ProjectRow) -> None:
    for path, name in VERSIONS:
        answer = client.post(f"http://testserver{path.format(project=project.id.upper())}", content=picture())
        assert answer.status_code == 200, answer.text
        assert name in answer.json()


REFUSALS = [
    ("{project}/classify/iterations/none/image", 404, "NotFoundIteration"),
    (NOWHERE + "/classify/iterations/live/image", 404, "NotFoundProject"),
    ("rose/classify/iterations/live/image", 400, "BadRequestInvalidIds"),
    ("{project}/detect/iterations/live/image", 400, "BadRequestOperationNotSupported"),
    (
        "{project}/classify/iterations/live/image?application=a%00b",
        400,
        "BadRequestPredictionInvalidApplicationName",
    ),
    (
        "{project}/classify/iterations/live/image?application=" + 257 * "a",
        400,
        "BadRequestPredictionInvalidApplicationName",
    ),
]


def test_refusals(client: TestClient, project: ProjectRow) -> None:
    base = "http://testserver/customvision/v3.1/prediction/"
    for path, status, code in REFUSALS:
        answer = client.post(base + path.format(project=project.id), content=picture())
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
        assert answer.headers["apim-request-id"]


def test_bodies_that_are_no_image(client: TestClient, project: ProjectRow) -> None:
    for body, code in ((b"", "BadRequestImageStream"), (b"rose", "BadRequestImageFormat")):
        answer = client.post(asked(project), content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


SCOPES = [
    (Scope.PREDICTION, None, 200),
    (Scope.PREDICTION, True, 200),
    (Scope.PREDICTION, False, 403),
    (Scope.READ, None, 403),
    (Scope.TRAINING, True, 200),
]


def test_scopes(client: TestClient, server: Server, project: ProjectRow) -> None:
    for scope, own, status in SCOPES:
        only = None if own is None else project.id if own else NOWHERE
        headers = {"Prediction-Key": key_of(server, scope, only), "Training-Key": ""}
        answer = client.post(asked(project), content=picture(), headers=headers)
        assert answer.status_code == status, (scope, own)


def test_keys_are_looked_up_again_after_a_second(
    client: TestClient, server: Server, project: ProjectRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1000.0]
    monkeypatch.setattr(KnownKeys.__init__, "__defaults__", (lambda: moment[0],))
    with server.database.write() as session:
        row, text = create_key(session, "mine", Scope.PREDICTION, None, server.now())
    with talking(server, text) as other:
        assert other.post(asked(project), content=picture()).status_code == 200
        with server.database.write() as session:
            revoke_key(session, row.id, server.now())
        moment[0] += 0.9
        assert other.post(asked(project), content=picture()).status_code == 200
        moment[0] += 0.1
        refused = other.post(asked(project), content=picture())
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "401")


def test_rates_of_stored_and_other_predictions(
    client: TestClient, server: Server, project: ProjectRow
) -> None:
    configure(server, "rates", predictions_stored=1, predictions=2)
    stored = [client.post(asked(project), content=picture()).status_code for _ in range(2)]
    other = [
        client.post(asked(project, end="image/nostore"), content=picture()).status_code for _ in range(3)
    ]
    assert (stored, other) == ([200, 429], [200, 200, 429])


def test_a_published_model_is_followed(client: TestClient, server: Server, project: ProjectRow) -> None:
    other = add_iteration(server, project, 2, favourite=2)
    publish(server, other, "next")
    answer = client.post(asked(project, "next"), content=picture()).json()
    assert (answer["iteration"], answer["predictions"][0]["tagName"]) == (other.id, "blue")


def test_metrics(client: TestClient, server: Server, project: ProjectRow) -> None:
    predict(client, project)
    client.post(asked(project, "none"), content=picture())
    answer = client.get("http://testserver/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    said = f'{{name="live",project="{project.id}"}}'
    assert f"dahlia_predictions_stored_total{said} 1.0" in answer.text
    assert 'dahlia_refusals_total{code="NotFoundIteration"} 1.0' in answer.text
    assert "process_resident_memory_bytes" in answer.text
    for scope, only, status in (
        (Scope.READ, None, 200),
        (Scope.READ, project.id, 403),
        (Scope.PREDICTION, None, 403),
    ):
        headers = {"Training-Key": key_of(server, scope, only)}
        assert client.get("http://testserver/metrics", headers=headers).status_code == status


def test_the_page_describes_the_routes(client: TestClient) -> None:
    document = client.get("http://testserver/openapi.json").json()
    predictions = {path: one["post"] for path, one in document["paths"].items() if "/prediction/" in path}
    assert len(predictions) == 16
    assert all("403" in one["responses"] and "security" not in one for one in predictions.values())
    assert document["security"] == [{name: []} for name in document["components"]["securitySchemes"]]
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert _missing(document) == set()


def _missing(document: dict[str, Any]) -> set[str]:
    """References that lead nowhere."""

    def found(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for value in part.values():
                yield from found(value)
        elif isinstance(part, list):
            for value in part:
                yield from found(value)

    components = document["components"]
    known = {f"#/components/{kind}/{name}" for kind, names in components.items() for name in names}
    return set(found(document)) - known
