"""How much projects and the server use of what they may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from project_cases import UNKNOWN, add_image, domain_id, make_project, make_tag, refused, set_limit, train
from sqlalchemy import select, update
from starlette.testclient import TestClient

from conftest import new_key
from dahlia.server.context import Server
from dahlia.server.contract.enums import DomainType
from dahlia.server.database.changes import GONE
from dahlia.server.database.tables import ImageRow, KeyRow, ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow, PredictionRow
from dahlia.server.keys.keys import Scope

pytestmark = pytest.mark.both_databases


def usage(client: TestClient, project: dict[str, Any]) -> dict[str, Any]:
    answer = client.get(f"http://testserver/dahlia/v1/projects/{project['id']}/usage")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def of_all(client: TestClient, server: Server) -> dict[str, Any]:
    key = {"Training-Key": new_key(server, Scope.ADMIN)}
    found: dict[str, Any] = client.get("http://testserver/dahlia/v1/usage", headers=key).json()
    return found


def add_predictions(server: Server, project: dict[str, Any], iteration: str) -> None:
    """Two predictions of 500 bytes, and a suggestion for an image."""
    with server.database.write() as session:
        project_key = session.scalars(select(ProjectRow.key).where(ProjectRow.id == project["id"])).one()
        row = session.scalars(select(IterationRow).where(IterationRow.id == iteration)).one()
        image = session.scalars(select(ImageRow.key).where(ImageRow.project_key == project_key)).first()
        for image_key, size in ((None, 500), (None, 500), (image, 0)):
            session.add(
                PredictionRow(
                    id=new_id(), project_key=project_key, iteration_key=row.key, image_key=image_key,
                    domain_id=row.domain_id, sha256="0" * 64, suffix=".jpg", width=64, height=48, size=size,
                    application=None, created=server.now(), predictions=[], uncertainty=0.5,
                )
            )  # fmt: skip


def test_what_a_project_uses(client: TestClient, server: Server) -> None:
    project = make_project(client)
    assert usage(client, project) == {
        "tags": {"used": 0, "limit": 500},
        "images": {"used": 0, "limit": 100_000},
        "iterations": {"used": 0, "limit": 20},
        "predictions": {"used": 0, "limit": None},
        "bytes": {"used": 0},
    }
    set_limit(server, tags_per_project=7, images_per_project=8, iterations_per_project=9)
    tag, gone = make_tag(client, project, "pine"), make_tag(client, project, "fir")
    images = [add_image(server, project["id"], tag["id"]) for _ in range(3)]
    add_predictions(server, project, train(server, project["id"]))
    client.delete(f"/projects/{project['id']}/tags/{gone['id']}")
    client.delete(f"/projects/{project['id']}/images", params={"imageIds": images[0]})
    add_image(server, make_project(client)["id"])
    assert usage(client, project) == {
        "tags": {"used": 1, "limit": 7},
        "images": {"used": 2, "limit": 8},
        "iterations": {"used": 1, "limit": 9},
        "predictions": {"used": 2, "limit": None},
        "bytes": {"used": 4000},
    }, "what the iteration keeps takes room too"
    path = f"http://testserver/dahlia/v1/projects/{UNKNOWN}/usage"
    refused(client.get(path), "NotFoundProject", 404)


def test_a_detector_has_regions(client: TestClient, server: Server) -> None:
    project = make_project(client, domainId=domain_id("General", DomainType.DETECTION))
    assert usage(client, project)["regions"] == {"used": 0, "limit": None}
    tag = make_tag(client, project, "pine")
    add_image(server, project["id"], tag["id"], boxes=3)
    assert usage(client, project)["regions"] == {"used": 3, "limit": None}


def test_what_all_projects_use(client: TestClient, server: Server) -> None:
    first, second, third = (make_project(client) for _ in range(3))
    for project in (first, first, second, third):
        add_image(server, project["id"])
    add_predictions(server, first, train(server, first["id"]))
    before = of_all(client, server)
    new_key(server)
    with server.database.write() as session:
        session.execute(update(ProjectRow).where(ProjectRow.id == third["id"]).values(status=GONE))
    found = of_all(client, server)
    assert found["keys"] == before["keys"] + 2, "one of them asked"
    assert found.pop("freeBytes") > 0
    assert found == {
        "projects": {"used": 2, "limit": 100},
        "images": {"used": 3, "limit": None},
        "iterations": {"used": 1, "limit": None},
        "predictions": {"used": 2, "limit": None},
        "bytes": {"used": 4000},
        "keys": found["keys"],
    }
    with server.database.write() as session:
        keys = session.scalars(select(KeyRow).order_by(KeyRow.key)).all()
        keys[1].revoked = server.now()
        keys[2].expires = server.now() - timedelta(seconds=1)
    assert of_all(client, server)["keys"] == found["keys"] - 1
