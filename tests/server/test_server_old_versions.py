"""Versions 1 and 2: other names, a default iteration instead of publish names, a path without `projects`."""

from __future__ import annotations

from typing import Any

import pytest
from iteration_cases import Case, complete, new_project
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.work_tables import IterationRow

OLD = "http://testserver/customvision/{}/Training{}"


@pytest.fixture
def case(server: Server) -> Case:
    return new_project(server)


def trained(client: TestClient, server: Server, case: Case) -> str:
    identity = str(client.post(f"{case.path}/train", params={"forceTrain": True}).json()["id"])
    complete(server, identity)
    return identity


def published(server: Server) -> dict[str, str | None]:
    from sqlalchemy import select

    with server.database.read() as session:
        return {row.id: row.publish_name for row in session.scalars(select(IterationRow))}


@pytest.mark.parametrize(("version", "name"), [("v1.2", "IsDefault"), ("v2.2", "isDefault")])
def test_one_iteration_is_the_default(
    client: TestClient, server: Server, case: Case, version: str, name: str
) -> None:
    first, second = trained(client, server, case), trained(client, server, case)

    def asked(identity: str) -> Any:
        return client.get(OLD.format(version, case.iteration(identity))).json()[name]

    def make(identity: str, *, default: bool) -> Any:
        path = OLD.format(version, case.iteration(identity))
        return client.patch(path, json={"IsDefault": default}).json()[name]

    assert (asked(first), asked(second)) == (False, False)
    assert make(first, default=True) is True
    assert make(second, default=True) is True
    assert (asked(first), asked(second)) == (False, True)
    assert published(server) == {first: None, second: "default"}
    assert make(second, default=False) is False
    assert published(server) == {first: None, second: None}


def test_later_versions_know_no_default(client: TestClient, server: Server, case: Case) -> None:
    identity = trained(client, server, case)
    answer = client.patch(case.iteration(identity), json={"name": "x", "isDefault": True}).json()
    assert "isDefault" not in answer
    assert published(server) == {identity: None}


def test_version_1_speaks_in_capitals(client: TestClient, case: Case) -> None:
    answer = client.get(OLD.format("v1.2", case.path))
    assert answer.json()["Id"] == case.id
    assert answer.json()["Settings"]["ClassificationType"] == "Multiclass"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert client.get(OLD.format("v1.2", "/projects/none")).json()["Code"] == "BadRequestInvalidIds"
    assert client.get(OLD.format("v1.2", case.path + "/images/count")).json() == 10
    image = client.get(OLD.format("v1.2", case.path + "/images/tagged")).json()[0]
    assert image["ImageUri"].startswith("http://testserver/files/")
    listed = client.get(OLD.format("v1.2", case.path + "/tags")).json()
    assert (listed["TotalTaggedImages"], listed["TotalUntaggedImages"]) == (10, 0)
    assert {tag["Id"] for tag in listed["Tags"]} == set(case.tags.values())


def test_version_2_asks_for_proposals_without_projects(client: TestClient, case: Case) -> None:
    image, _ = case.images["a"][0]
    answer = client.post(OLD.format("v2.2", f"/{case.id}/images/{image}/regionproposals"))
    assert answer.json() == {"projectId": case.id, "imageId": image, "proposals": []}
    assert client.post(OLD.format("v3.0", f"/{case.id}/images/{image}/regionproposals")).status_code == 404
