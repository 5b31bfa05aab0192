from __future__ import annotations

from typing import Any

import pytest
from image_cases import entry, uploaded
from project_cases import UNKNOWN, make_project, make_tag, refused, set_limit, train
from sqlalchemy import func, select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import AuditRow, ImageRow, ImageTagRow
from dahlia.server.images import lifecycle

pytestmark = pytest.mark.both_databases


@pytest.fixture
def project(client: TestClient) -> str:
    project = make_project(client)
    tag = make_tag(client, project, "pine")["id"]
    uploaded(client, project["id"], *(entry(number, tag) for number in range(5)))
    return str(project["id"])


def images(client: TestClient, project: str, **query: Any) -> list[str]:
    return [image["id"] for image in client.get(f"/projects/{project}/images", params=query).json()]


def delete(client: TestClient, project: str, **query: Any) -> int:
    answer = client.delete(f"/projects/{project}/images", params=query)
    assert answer.content == b"", answer.text
    return answer.status_code


def rows(server: Server) -> tuple[int, int]:
    with server.database.read() as session:
        counts = [session.scalar(select(func.count()).select_from(one)) for one in (ImageRow, ImageTagRow)]
    return counts[0] or 0, counts[1] or 0


def revision(server: Server, project: str) -> int:
    with server.database.read() as session:
        return project_of(session, project).revision


def test_some(client: TestClient, server: Server, project: str) -> None:
    before = revision(server, project)
    first, second, *others = images(client, project)
    assert delete(client, project, imageIds=f"{first},{second},{UNKNOWN}") == 204
    assert images(client, project) == others
    assert rows(server) == (3, 3)
    assert revision(server, project) == before + 1
    assert delete(client, project, imageIds=first) == 204
    assert revision(server, project) == before + 1


def test_iterations_keep_what_they_saw(client: TestClient, server: Server, project: str) -> None:
    all_of_them = images(client, project)
    iteration = train(server, project)
    assert delete(client, project, imageIds=all_of_them[0]) == 204
    assert images(client, project, iterationId=iteration) == all_of_them
    assert client.get(f"/projects/{project}/images/tagged/count").json() == 4
    assert rows(server) == (5, 5)
    gone = f"{all_of_them[0]},{all_of_them[1]}"
    assert delete(client, project, imageIds=gone, allIterations="true") == 202
    assert images(client, project, iterationId=iteration) == all_of_them[2:]
    assert rows(server) == (3, 3)


def test_what_no_iteration_saw_is_gone_at_once(client: TestClient, server: Server, project: str) -> None:
    iteration = train(server, project)
    assert client.delete(f"/projects/{project}/iterations/{iteration}").status_code == 204
    assert delete(client, project, imageIds=images(client, project)[0]) == 204
    assert rows(server) == (4, 4)


@pytest.mark.parametrize("everywhere", [False, True])
def test_all(
    client: TestClient, server: Server, project: str, monkeypatch: pytest.MonkeyPatch, everywhere: bool
) -> None:
    monkeypatch.setattr(lifecycle, "REMOVED_AT_ONCE", 2)
    other = make_project(client, "other")["id"]
    uploaded(client, other, entry(1))
    iteration = train(server, project)
    assert delete(client, project, allImages="true", allIterations=str(everywhere).lower()) == 202
    assert images(client, project) == []
    assert len(images(client, project, iterationId=iteration)) == (0 if everywhere else 5)
    assert rows(server) == ((1, 0) if everywhere else (6, 5))
    assert delete(client, project, allImages="true") == 202
    assert len(images(client, other)) == 1
    with server.database.read() as session:
        lines = session.scalars(select(AuditRow.details).where(AuditRow.action == "delete_images")).all()
    assert lines[0] == {"images": "all", "everywhere": everywhere}


def test_refused(client: TestClient, server: Server, project: str) -> None:
    set_limit(server, delete_images=1)
    first, second, *_ = images(client, project)
    path = f"/projects/{project}/images"
    cases: list[tuple[dict[str, str], str]] = [
        ({}, "BadRequestRequiredParamIsNull"),
        ({"allIterations": "true"}, "BadRequestRequiredParamIsNull"),
        ({"imageIds": first, "allImages": "true"}, "BadRequestInvalid"),
        ({"imageIds": f"{first},{second}"}, "BadRequestExceededBatchSize"),
        ({"imageIds": "first"}, "BadRequestInvalidIds"),
        ({"allImages": "perhaps"}, "BadRequestInvalid"),
        ({"allImages": "true", "tagIds": first}, "BadRequestInvalid"),
        ({"allImages": "true", "taggingStatus": "Untagged"}, "BadRequestInvalid"),
        ({"allImages": "true", "$filter": "metadata=a eq 'b'"}, "BadRequestInvalid"),
        ({"allImages": "true", "ids": first}, "BadRequestInvalid"),
    ]
    for query, code in cases:
        refused(client.delete(path, params=query), code)
    for query in ({"imageIds": first}, {"allImages": "true"}):
        refused(client.delete(f"/projects/{UNKNOWN}/images", params=query), "NotFoundProject", 404)
    assert len(images(client, project)) == 5
