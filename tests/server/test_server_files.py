from __future__ import annotations

import hashlib
import io
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from project_cases import UNKNOWN, add_image, make_project, refused, train
from sqlalchemy import select, update
from starlette.requests import Request
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import ExportRow, IterationRow, PredictionRow
from dahlia.server.http import files
from dahlia.server.http.addresses import Addresses
from dahlia.server.keys.keys import Scope, create_key
from dahlia.server.storage.names import export_key, image_key, resized_key, thumbnail_key

pytestmark = pytest.mark.both_databases

HOST = "http://testserver"


@pytest.fixture
def outside(client: TestClient) -> TestClient:
    """The same server for who has no key."""
    stranger = TestClient(client.app, base_url=HOST)
    assert "Training-Key" not in stranger.headers
    return stranger


@pytest.fixture
def addresses(server: Server) -> Addresses:
    return Addresses(server, HOST)


def photo(width: int, height: int, kind: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, kind)
    return written.getvalue()


def stored(server: Server, data: bytes, suffix: str = ".jpg") -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    server.storage.put(image_key(sha256, suffix), data)
    return sha256


def test_a_link_is_good_without_a_key(outside: TestClient, server: Server, addresses: Addresses) -> None:
    sha256 = stored(server, b"photo")
    answer = outside.get(addresses.original(sha256, ".jpg"))
    assert (answer.status_code, answer.content) == (200, b"photo")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == "5"
    assert answer.headers["etag"] == f'"{sha256}"'
    assert answer.headers["cache-control"] == "private, max-age=86400, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = outside.head(addresses.original(sha256, ".jpg"))
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")


def test_what_a_client_has_is_not_sent_again(
    outside: TestClient, server: Server, addresses: Addresses
) -> None:
    sha256 = stored(server, b"photo")
    for given in (f'"{sha256}"', f'W/"{sha256}"', f'"other", "{sha256}"'):
        answer = outside.get(addresses.original(sha256, ".jpg"), headers={"if-none-match": given})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == f'"{sha256}"'


def test_links_that_are_no_good(outside: TestClient, server: Server, addresses: Addresses) -> None:
    sha256, other = stored(server, b"photo"), stored(server, b"other")
    link = addresses.original(sha256, ".jpg")
    for wrong in (
        link.partition("?")[0],
        link.replace(sha256, other),
        link[:-1] + ("A" if link[-1] != "A" else "B"),
        link.replace("expires=", "expires=1"),
        link.replace("/images/", "/images/..%2fimages/"),
        f"{HOST}/files/",
        f"{HOST}/files/..%2f..%2fetc/passwd",
    ):
        answer = outside.get(wrong)
        refused(answer, "Forbidden", 403)
        assert "photo" not in answer.text
    now = server.now()
    server.now = lambda: now + timedelta(hours=26)
    refused(outside.get(link), "Forbidden", 403)


def test_a_deleted_file(outside: TestClient, server: Server, addresses: Addresses) -> None:
    for sha256 in ("a" * 64, stored(server, b"known to no row")):
        refused(outside.get(addresses.thumbnail(sha256)), "NotFoundImage", 404)
        refused(outside.get(addresses.resized(sha256, ".jpg", 2000, 10)), "NotFoundImage", 404)
    refused(outside.get(addresses.file(export_key(UNKNOWN, "a.zip"))), "NotFound", 404)


def test_files_say_what_they_are(outside: TestClient, server: Server, addresses: Addresses) -> None:
    for kind in ("png", "bmp", "gif", "webp"):
        sha256 = stored(server, b"photo", f".{kind}")
        answer = outside.get(addresses.original(sha256, f".{kind}"))
        assert answer.headers["content-type"] == f"image/{kind}"


def test_exports_are_downloads(outside: TestClient, server: Server, addresses: Addresses) -> None:
    key = export_key(UNKNOWN, "my model.TensorFlow.zip")
    data = bytes(3 << 20)
    server.storage.put(key, data)
    link = addresses.file(key)
    assert " " not in link
    answer = outside.get(link)
    assert answer.content == data
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="my model.TensorFlow.zip"'
    assert answer.headers["cache-control"] == "private, no-store"
    assert "etag" not in answer.headers


def test_large_images_are_scaled_down_once(
    client: TestClient,
    outside: TestClient,
    server: Server,
    addresses: Addresses,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = photo(1800, 900, "PNG")
    sha256 = stored(server, data, ".png")
    add_image(server, make_project(client)["id"], sha256=sha256)
    with server.database.write() as session:
        session.execute(update(ImageRow).values(suffix=".png"))
    link = addresses.resized(sha256, ".png", 1800, 900)
    first = outside.get(link)
    assert first.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(first.content)).size == (1600, 800)
    assert server.storage.get(resized_key(sha256)) == first.content
    monkeypatch.setattr(files, "resized", None)
    assert outside.get(link).content == first.content
    small = addresses.resized(sha256, ".png", 1600, 20)
    assert urlsplit(small).path == urlsplit(addresses.original(sha256, ".png")).path


def test_addresses_are_below_the_one_that_clients_use(server: Server) -> None:
    request = Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": "https",
            "server": ("shop", 443),
            "path": "/",
            "headers": [],
        }
    )
    assert Addresses.of(server, request).thumbnail("a" * 64).startswith("https://shop/files/thumbnails/aa/")
    section = server.settings.server.model_copy(update={"public_url": "https://a.example/dahlia"})
    server.settings = server.settings.model_copy(update={"server": section})
    assert Addresses.of(server, request).file("a").startswith("https://a.example/dahlia/files/a?expires=")


def artifact(client: TestClient, project: dict[str, Any], path: str) -> Any:
    return client.get(f"/projects/{project['id']}/artifacts", params={"path": path})


def test_artifacts_of_a_project(client: TestClient, server: Server, addresses: Addresses) -> None:
    project = make_project(client)
    sha256 = stored(server, b"photo")
    server.storage.put(thumbnail_key(sha256), b"small")
    image = add_image(server, project["id"], sha256=sha256)
    original, small = addresses.original(sha256, ".jpg"), addresses.thumbnail(sha256)
    paths = {
        original: b"photo",
        urlsplit(original).path: b"photo",
        image_key(sha256, ".jpg"): b"photo",
        f"/i-{project['id']}/i-{image}": b"photo",
        f"i-{project['id']}/i-{image.upper()}": b"photo",
        small: b"small",
        f"/t-{project['id']}/t-{image}": b"small",
    }
    for path, content in paths.items():
        answer = artifact(client, project, path)
        assert (answer.status_code, answer.content) == (200, content), path
        assert answer.headers["content-type"] == "application/octet-stream"


def test_artifacts_that_are_exports_and_predictions(client: TestClient, server: Server) -> None:
    project = make_project(client)
    iteration = train(server, project["id"])
    key, sha256 = export_key(iteration, "a.zip"), stored(server, b"predicted")
    server.storage.put(key, b"zip")
    with server.database.write() as session:
        row = session.scalars(select(IterationRow)).one()
        session.add(
            ExportRow(
                id=new_id(), iteration_key=row.key, platform="ONNX", flavor=None, status="Done",
                file_key=key, error=None, created=server.now(),
            )
        )  # fmt: skip
        session.add(
            PredictionRow(
                id=new_id(), project_key=project_of(session, project["id"]).key, iteration_key=row.key,
                image_key=None, domain_id=UNKNOWN, sha256=sha256, suffix=".jpg", width=1, height=1, size=1,
                application=None, created=server.now(), predictions=[], uncertainty=0.0,
            )
        )  # fmt: skip
    assert artifact(client, project, key).content == b"zip"
    assert artifact(client, project, image_key(sha256, ".jpg")).content == b"predicted"


def test_what_is_no_artifact_of_the_project(client: TestClient, server: Server) -> None:
    project, other = make_project(client), make_project(client)
    sha256 = stored(server, b"photo")
    image = add_image(server, other["id"], sha256=sha256)
    iteration = train(server, project["id"], files=True)
    server.storage.put(f"iterations/{iteration}/model.onnx", b"model")
    for path in (
        image_key(sha256, ".jpg"),
        f"/i-{other['id']}/i-{image}",
        f"/i-{project['id']}/i-{image}",
        f"/i-{project['id']}/t-{image}",
        f"iterations/{iteration}/model.onnx",
        f"secrets/{sha256}",
        "",
        "/",
        "../../etc/passwd",
        "http://[",
        "a\x00b",
        "%ed%a0%80",
    ):
        refused(artifact(client, project, path), "BadRequestInvalidArtifactUri")
    add_image(server, project["id"], sha256=sha256)
    refused(artifact(client, project, image_key(sha256, ".png")), "BadRequestInvalidArtifactUri")
    refused(client.get(f"/projects/{project['id']}/artifacts"), "BadRequestRequiredParamIsNull")
    refused(artifact(client, {"id": UNKNOWN}, "a"), "NotFoundProject", 404)


def test_artifacts_need_a_key_that_reads(client: TestClient, server: Server) -> None:
    project = make_project(client)
    del client.headers["Training-Key"]
    assert artifact(client, project, "a").status_code == 401
    with server.database.write() as session:
        key = create_key(session, "p", Scope.PREDICTION, None, server.now())[1]
    client.headers["Training-Key"] = key
    refused(artifact(client, project, "a"), "ForbiddenUserInsufficientCapability", 403)
