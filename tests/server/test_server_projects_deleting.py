"""Deleting projects."""

from __future__ import annotations

from typing import Any

import pytest
from project_cases import (
    UNKNOWN,
    add_image,
    count,
    domain_id,
    make_project,
    make_tag,
    refused,
    train,
)
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow, JobRow, PredictionRow
from dahlia.server.jobs.queue import enqueue
from dahlia.server.projects import projects

pytestmark = pytest.mark.both_databases


def fill(client: TestClient, server: Server, images: int = 3) -> dict[str, Any]:
    """A project with something in every table."""
    project = make_project(client)
    tag = make_tag(client, project, "a")["id"]
    for _ in range(images):
        add_image(server, project["id"], tag, boxes=1)
    iteration = train(server, project["id"])
    with server.database.write() as session:
        row = project_of(session, project["id"])
        trained = session.scalars(select(IterationRow).where(IterationRow.id == iteration)).one()
        enqueue(session, "train", row, trained)
        for _ in range(images):
            session.add(
                PredictionRow(
                    id=new_id(),
                    project_key=row.key,
                    iteration_key=trained.key,
                    image_key=None,
                    domain_id=domain_id("General"),
                    sha256="c" * 64,
                    suffix=".jpg",
                    width=1,
                    height=1,
                    size=1,
                    application=None,
                    created=server.now(),
                    predictions=[],
                    uncertainty=0.0,
                )
            )
    return project


TABLES = (ProjectRow, TagRow, ImageRow, ImageTagRow, RegionRow, IterationRow, JobRow, PredictionRow)


def test_a_deleted_project_leaves_nothing(
    client: TestClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "_IMAGES", 2)
    monkeypatch.setattr(projects, "_PREDICTIONS", 3)
    kept = fill(client, server)
    before = count(server, *TABLES)
    project = fill(client, server)
    assert client.delete(f"/projects/{project['id']}").status_code == 204
    assert count(server, *TABLES) == before
    refused(client.get(f"/projects/{project['id']}"), "NotFoundProject", 404)
    refused(client.delete(f"/projects/{project['id']}"), "NotFoundProject", 404)
    assert [each["id"] for each in client.get("/projects").json()] == [kept["id"]]


def test_a_deletion_that_is_cut_off_is_finished(
    client: TestClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = fill(client, server)
    monkeypatch.setattr(projects, "_delete_rows", lambda *_: None)  # killed after the first transaction
    assert client.delete(f"/projects/{project['id']}").status_code == 204
    monkeypatch.undo()
    assert count(server, ImageRow) == 3
    assert count(server, JobRow) == 0
    assert client.get("/projects").json() == []
    refused(client.get(f"/projects/{project['id']}"), "NotFoundProject", 404)
    assert projects.finish_deletions(server) == 1
    assert count(server, *TABLES) == 0
    assert projects.finish_deletions(server) == 0


def test_what_is_published_is_not_deleted_by_accident(client: TestClient, server: Server) -> None:
    project = make_project(client)
    iteration = train(server, project["id"], publish_name="live")
    answer = client.delete(f"/projects/{project['id']}")
    refused(answer, "BadRequestIterationIsPublished")
    assert "'live'" in answer.json()["message"]
    with server.database.write() as session:
        row = session.scalars(select(IterationRow).where(IterationRow.id == iteration)).one()
        row.publish_name = None
    assert client.delete(f"/projects/{project['id']}").status_code == 204


def test_a_deletion_refuses_what_is_not_there(server: Server) -> None:
    with pytest.raises(ServiceError, match="no project"):
        projects.delete_project(server, None, UNKNOWN)
