"""Links that this server signed, as the addresses of images: read from its storage, and nothing else is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from image_cases import entry, photo, statuses, uploaded
from prediction_cases import asked, configure, picture, published_garden
from project_cases import make_project, make_tag
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.http.addresses import Addresses
from dahlia.server.keys.keys import Scope, create_key
from dahlia.server.storage.names import export_key, history_key, image_key, servable_prefix

PORT = 3000  # where the server would listen


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is tried here reaches both databases alike."""
    return f"sqlite:///{tmp_path / 'home' / 'dahlia.db'}"


@pytest.fixture(autouse=True)
def nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(*_: Any, **__: Any) -> Any:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr("anyio.getaddrinfo", look_up)


@pytest.fixture
def project(server: Server) -> ProjectRow:
    return published_garden(server)


def images(client: TestClient, number: int = 1, **size: int) -> dict[str, str]:
    """An image of another project, as an answer names it."""
    other = make_project(client)["id"]
    body = {"files": {"imageData": photo(number, **size)}}
    answer = client.post(f"/projects/{other}/images", **body).json()
    image: dict[str, str] = answer["images"][0]["image"]
    return image


@pytest.mark.parametrize("mode", ["public", "any", "off"])
def test_images_are_added_from_links(client: TestClient, server: Server, mode: str) -> None:
    configure(server, "security", url_fetch=mode)
    image = images(client, width=1700, height=100)
    urls = [image[name] for name in ("originalImageUri", "resizedImageUri", "thumbnailUri")]
    project = make_project(client, classificationType="Multilabel")
    tag = make_tag(client, project, "pine")["id"]
    body = {"images": [{"url": url} for url in [*urls, urls[0]]], "tagIds": [tag]}
    answer = client.post(f"/projects/{project['id']}/images/urls", json=body)
    assert statuses(answer.json()) == ["OK", "OK", "OK", "OKDuplicate"]
    assert [one["sourceUrl"] for one in answer.json()["images"]] == [*urls, urls[0]]
    assert [one["image"]["width"] for one in answer.json()["images"]] == [1700, 1600, 256, 1700]


# Where a link begins, the header `Host` of the request that has it, and whether it is this server's.
BASES: list[tuple[str, str, bool]] = [
    ("http://testserver", "testserver", True),
    ("HTTP://TestServer:80", "testserver", True),
    ("http://localhost:3000", "testserver", True),
    ("http://127.0.0.1:3000", "localhost:3000", True),
    ("http://[::1]:8080", "testserver", True),
    ("http://192.168.1.20:3000", "localhost:3000", True),
    ("http://10.0.0.9:8123", "testserver", True),
    ("https://photos.example/dahlia", "testserver", True),
    ("https://photos.example", "testserver", True),
    ("http://user:word@localhost:3000", "testserver", True),
    ("http://localhost.:3000", "testserver", True),
    ("http://93.184.216.34:3000", "testserver", False),
    ("http://evil.example", "testserver", False),
    ("http://testserver@evil.example", "testserver", False),
    ("http://testserver.evil.example", "testserver", False),
    ("ftp://testserver", "testserver", False),
]


def test_names_of_this_server(client: TestClient, server: Server, project: ProjectRow) -> None:
    own = {"public_url": "https://photos.example/dahlia", "allowed_hosts": "*", "port": PORT}
    configure(server, "server", **own)
    configure(server, "security", url_fetch="off")
    uploaded(client, project.id, entry(1))
    found = client.get(f"/projects/{project.id}/images").json()[0]["originalImageUri"]
    for base, host, is_own in BASES:
        url = base + found.removeprefix("https://photos.example/dahlia")
        ask = {"json": {"url": url}, "headers": {"Host": host}}
        answer = client.post(asked(project, end="url/nostore"), **ask)
        assert answer.status_code == (200 if is_own else 400), (base, answer.text)
        assert is_own or "fetches no images" in answer.text or "://" in answer.text


def test_quick_tests_and_keys_for_predictions(
    client: TestClient, server: Server, project: ProjectRow
) -> None:
    uploaded(client, project.id, entry(1))
    url = client.get(f"/projects/{project.id}/images").json()[0]["thumbnailUri"]
    assert client.post(f"/projects/{project.id}/quicktest/url", json={"url": url}).status_code == 200
    with server.database.write() as session:
        key = create_key(session, "app", Scope.PREDICTION, project.id, server.now())[1]
    headers = {"Training-Key": "", "Prediction-Key": key}
    elsewhere = images(client, 2)["originalImageUri"]  # the signature is what allows it
    for one in (url, elsewhere):
        assert client.post(asked(project, end="url"), json={"url": one}, headers=headers).status_code == 200


def test_links_that_are_not_good(client: TestClient, server: Server, project: ProjectRow) -> None:
    image = images(client)
    url = image["originalImageUri"]
    for wrong, words in (
        (url[:-1] + ("A" if url[-1] != "A" else "B"), "signature"),
        (url.partition("?")[0], "signature"),
        (url.replace("expires=", "expires=1"), "signature"),
        (url.replace("/images/", "/thumbnails/"), "signature"),
        (url.replace("/images/", "/images/../images/"), "signature"),
        (url.replace("/images/", "/images/%2e%2e/"), "signature"),
    ):
        refused(client, project, wrong, words)
    now = server.now()
    server.now = lambda: now + timedelta(hours=26)
    refused(client, project, url, "has expired")
    body = {"images": [{"url": url}]}
    answer = client.post(f"/projects/{project.id}/images/urls", json=body)
    assert statuses(answer.json()) == ["ErrorSource"]
    assert "has expired" in answer.headers["dahlia-reasons"]


def refused(client: TestClient, project: ProjectRow, url: str, words: str) -> None:
    for path in (asked(project, end="url"), f"/projects/{project.id}/quicktest/url"):
        answer = client.post(path, json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestImageUrl"), answer.text
        assert words in answer.json()["message"]


def test_nothing_else_of_the_storage(client: TestClient, server: Server, project: ProjectRow) -> None:
    keys = [
        export_key(project.id, "model.zip"),
        history_key(project.id),
        f"{servable_prefix(project.id)}/model.onnx",
        "identity.json",
        "images/../identity.json",
    ]
    addresses = Addresses(server, "http://testserver")
    for key in keys:
        refused(client, project, addresses.file(key), "something else than an image")
    gone = addresses.file(image_key("a" * 64, ".jpg"))
    refused(client, project, gone, "deleted")


def test_the_size_is_bounded(client: TestClient, server: Server, project: ProjectRow) -> None:
    url = images(client)["originalImageUri"]
    configure(server, "limits", max_prediction_mb=0.001)
    answer = client.post(asked(project, end="url"), json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestImageSizeBytes")


def test_the_refusal_of_other_addresses_names_the_setting(
    client: TestClient, project: ProjectRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    answer = client.post(asked(project, end="url"), json={"url": "http://127.0.0.1:1/a.jpg"})
    assert "DAHLIA_SECURITY_URL_FETCH_ALLOW" in answer.json()["message"]
    assert picture()  # a picture of this machine is sent instead
