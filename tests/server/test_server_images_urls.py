from __future__ import annotations

import anyio
import pytest
from image_cases import photo, statuses, tag_names
from project_cases import make_project, make_tag, refused, set_limit
from starlette.testclient import TestClient

from dahlia.errors import ServiceError
from dahlia.http.allow_list import AllowList
from dahlia.server.api import image_changes
from dahlia.server.context import Server
from dahlia.server.contract.enums import ImageCreateStatus
from dahlia.server.http import addresses, files
from dahlia.server.http.addresses import Web
from dahlia.server.images.adding import Rejected
from dahlia.server.images.lifecycle import fetch_images
from photo_server import photo_server

BASE = "https://example.com/"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """`BASE` with photos by their numbers; how many were on their way at once."""
    under_way: list[int] = [0]

    async def fetch(url: str, reach: str, most: int, allowed: AllowList) -> bytes:
        assert not allowed
        assert (reach, most) == ("public", 6 * 1024 * 1024)
        name = url.removeprefix(BASE)
        under_way.append(under_way[0] + 1)
        under_way[0] += 1
        await anyio.sleep(0.01)
        under_way[0] -= 1
        if name == "large":
            raise ServiceError("BadRequestImageSizeBytes", "too large")
        if not name.isdecimal():
            raise ServiceError("BadRequestImageUrl", "not there")
        return photo(int(name))

    monkeypatch.setattr(addresses, "fetch", fetch)
    return under_way


def test_images_from_addresses(client: TestClient, web: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_changes, "FETCHED_AT_ONCE", 2)
    project = make_project(client, classificationType="Multilabel")
    tag = make_tag(client, project, "pine")["id"]
    names = ["1", "2", "gone", "large", "1"]
    body = {"images": [{"Url": BASE + name} for name in names], "tagIds": [tag], "metadata": {"row": "1"}}
    answer = client.post(f"/projects/{project['id']}/images/urls", json=body)
    assert answer.status_code == 207, answer.text
    assert statuses(answer.json()) == ["OK", "OK", "ErrorSource", "ErrorImageSize", "OKDuplicate"]
    assert [one["sourceUrl"] for one in answer.json()["images"]] == [BASE + name for name in names]
    image = answer.json()["images"][0]["image"]
    assert (tag_names(image), image["metadata"]) == (["pine"], {"row": "1"})
    assert max(web) == 2
    assert answer.headers["dahlia-reasons"] == "image 3: not there image 4: too large"


def test_refused_addresses(
    client: TestClient, server: Server, web: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limit(server, batch_images=1)
    path = f"/projects/{make_project(client)['id']}/images/urls"
    refused(client.post(path, json={"images": []}), "BadRequestImageBatch")
    refused(client.post(path, json={"images": [{"url": BASE}] * 2}), "BadRequestExceededBatchSize")
    refused(client.post(path, json={"images": [{}]}), "BadRequestRequiredParamIsNull")
    monkeypatch.setattr(files, "MAX_FETCHES", 0)
    answer = client.post(path, json={"images": [{"url": BASE + "1"}]})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_addresses_that_are_out_of_reach(server: Server) -> None:
    urls = ["http://127.0.0.1:9/", "http://[::1]/", "file:///etc/passwd", "http://", "http://[", "\0"]
    found = anyio.run(fetch_images, urls, Web(server, "").bring, 1000)
    assert all(isinstance(one, Rejected) and one.status is ImageCreateStatus.ERROR_SOURCE for one in found)


def test_images_of_a_web_server(client: TestClient, server: Server) -> None:
    security = server.settings.security.model_copy(update={"url_fetch": "any"})
    server.settings = server.settings.model_copy(update={"security": security})
    path = f"/projects/{make_project(client)['id']}/images/urls"
    with photo_server(photo(1)) as web:
        base = f"http://127.0.0.1:{web.server_port}"
        urls = [f"{base}/photo", f"{base}/status/404", f"{base}/large/1", f"{base}/text"]
        answer = client.post(path, json={"images": [{"url": url} for url in urls]})
        # Photos to train on may be larger than those to predict.
        assert statuses(answer.json()) == ["OK", "ErrorSource", "ErrorImageFormat", "ErrorImageFormat"]
        limits = server.settings.limits.model_copy(update={"max_image_mb": 0.001})
        server.settings = server.settings.model_copy(update={"limits": limits})
        answer = client.post(path, json={"images": [{"url": f"{base}/photo"}]})
        assert statuses(answer.json()) == ["ErrorImageSize"]
