"""An empty project is filled with the sample."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from project_cases import UNKNOWN, domain_id, make_project, make_tag, refused, set_limit, train
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.contract.enums import DomainType
from dahlia.server.projects import sample

FLOWERS = ["daffodil", "dahlia", "daisy"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pictures, in several parts; each is drawn in two tenths of a second."""
    monkeypatch.setattr(sample, "PHOTOS", 2)
    monkeypatch.setattr(sample, "SCENES", 5)
    monkeypatch.setattr(sample, "_AT_ONCE", 4)


def fill(client: TestClient, project: dict[str, Any]) -> Any:
    return client.post(f"http://testserver/dahlia/v1/projects/{project['id']}/sample")


def images(client: TestClient, project: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/projects/{project['id']}/images/tagged").json()
    return found


@pytest.mark.both_databases
def test_a_classifier_gets_photos_of_each_tag(client: TestClient, server: Server) -> None:
    project = make_project(client)
    assert fill(client, project).json() == {"images": 6, "tags": 3}
    tags = client.get(f"/projects/{project['id']}/tags").json()
    assert sorted((tag["name"], tag["imageCount"]) for tag in tags) == [(name, 2) for name in FLOWERS]
    for image in images(client, project):
        assert [len(image["tags"]), image.get("regions") or []] == [1, []]
        assert 300 < max(image["width"], image["height"]) < 520
        assert client.get(image["thumbnailUri"]).headers["content-type"] == "image/jpeg"
    said = refused(fill(client, project), "BadRequestInvalid")
    assert "which has images" in said


@pytest.mark.both_databases
def test_a_detector_gets_scenes_with_regions(client: TestClient, server: Server) -> None:
    project = make_project(client, domainId=domain_id("General", DomainType.DETECTION))
    filled = fill(client, project).json()
    assert filled["images"] == 5
    found = images(client, project)
    names = {region["tagName"] for image in found for region in image["regions"]}
    assert (len(found), names <= set(FLOWERS), filled["tags"]) == (5, True, len(names))
    assert all(image["regions"] for image in found)
    assert {tag["name"] for tag in client.get(f"/projects/{project['id']}/tags").json()} == names


def test_only_an_empty_project_is_filled(
    client: TestClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object, **__: object) -> None:
        raise AssertionError("nothing is drawn for a refusal")

    project = make_project(client)
    tag = make_tag(client, project, "pine")
    monkeypatch.setattr(subprocess, "run", draw)
    assert "which has tags" in refused(fill(client, project), "BadRequestInvalid")
    refused(fill(client, {"id": UNKNOWN}), "NotFoundProject", 404)
    monkeypatch.undo()
    monkeypatch.setattr(sample, "PHOTOS", 1)
    train(server, project["id"])
    client.delete(f"/projects/{project['id']}/tags/{tag['id']}")
    assert fill(client, project).json() == {"images": 3, "tags": 3}, "what was there before is no obstacle"


def test_limits_hold_for_it_too(client: TestClient, server: Server) -> None:
    project = make_project(client)
    set_limit(server, tags_per_project=2)
    refused(fill(client, project), "BadRequestExceedTagPerProjectLimit")
    assert client.get(f"/projects/{project['id']}/tags").json() == []
    set_limit(server, tags_per_project=3, images_per_project=5)
    assert fill(client, project).json() == {"images": 5, "tags": 3}


def test_what_cannot_be_drawn_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    answer = fill(client, make_project(client))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "server's log" in answer.json()["message"]
