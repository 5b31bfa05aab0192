from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from project_cases import UNKNOWN, add_image, domain_id, make_project, make_tag, refused, set_limit, train
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.enums import DomainType
from dahlia.server.database.changes import changed, remove, visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.keys.keys import Scope, create_key
from dahlia.server.projects import copying
from dahlia.server.projects.choices import MAX_NAME
from dahlia.server.projects.copying import run_import
from dahlia.server.storage.links import Links
from dahlia.server.storage.names import iteration_prefix

pytestmark = pytest.mark.both_databases

DETECTION = domain_id("General", DomainType.DETECTION)
Shape = dict[str, Any]


def export(client: TestClient, project: dict[str, Any]) -> dict[str, Any]:
    answer = client.get(f"/projects/{project['id']}/export")
    assert answer.status_code == 200, answer.text
    offer: dict[str, Any] = answer.json()
    return offer


def begin(client: TestClient, project: dict[str, Any], **query: Any) -> dict[str, Any]:
    query = {"token": export(client, project)["token"], **query}
    answer = client.post("/projects/import", params=query)
    assert answer.status_code == 200, answer.text
    copy: dict[str, Any] = answer.json()
    return copy


def payloads(server: Server) -> list[dict[str, Any]]:
    with server.database.read() as session:
        return [job.payload for job in session.scalars(select(JobRow).order_by(JobRow.key))]


def shape(server: Server, project_id: str) -> Shape:
    """What a project holds, without ids and keys."""
    with server.database.read() as session:
        project = session.scalars(select(ProjectRow).where(ProjectRow.id == project_id)).one()
        tags = {row.key: row for row in session.scalars(_of(TagRow, project))}
        images = {row.key: row for row in session.scalars(_of(ImageRow, project))}
        labels = [row for row in session.scalars(select(ImageTagRow)) if row.image_key in images]
        regions = [row for row in session.scalars(select(RegionRow)) if row.image_key in images]
        iterations = session.scalars(_of(IterationRow, project)).all()
        names = {tag.id: tag.name for tag in tags.values()}
        return {
            "tags": [(tag.name, tag.type, tag.description, tag.added, tag.removed) for tag in tags.values()],
            "images": [
                (image.sha256, image.details, image.created, image.added, image.removed)
                for image in images.values()
            ],
            "tagged": [image.sha256 for image in images.values() if image.tagged and image.removed is None],
            "labels": sorted(
                (images[row.image_key].sha256, tags[row.tag_key].name, row.added, row.removed or 0)
                for row in labels
            ),
            "regions": sorted(
                (images[row.image_key].sha256, tags[row.tag_key].name, row.left, row.width, row.added)
                for row in regions
            ),
            "iterations": [
                (row.name, row.trained, row.epoch, {name: names[one] for name, one in row.tag_ids.items()})
                for row in iterations
            ],
            "chosen": [[names[one] for one in row.chosen_tags] for row in iterations],
        }


def rows(shape: Shape) -> Shape:
    return {part: shape[part] for part in ("tags", "images", "tagged", "labels", "regions")}


def _of(table: Any, project: ProjectRow) -> Any:
    return select(table).where(table.project_key == project.key).order_by(table.key)


def ids(server: Server, project_id: str) -> set[str]:
    with server.database.read() as session:
        project = session.scalars(select(ProjectRow).where(ProjectRow.id == project_id)).one()
        found = [
            row.id
            for table in (TagRow, ImageRow, IterationRow)
            for row in session.scalars(_of(table, project))
        ]
        assert len(found) == len(set(found))
        return set(found)


@pytest.fixture
def project(client: TestClient, server: Server) -> dict[str, Any]:
    """A project with an iteration, which saw a tag and an image that are gone since."""
    project = make_project(client, "shelf", domainId=DETECTION, description="of a shop")
    identity = project["id"]
    a, b = make_tag(client, project, "a"), make_tag(client, project, "b", description="second")
    add_image(server, identity, a["id"], boxes=2)
    gone = add_image(server, identity, a["id"], b["id"], boxes=1)
    add_image(server, identity, b["id"])
    iteration = train(server, identity, chosen_tags=[b["id"]], publish_name="live", files=True)
    server.storage.put(f"{iteration_prefix(iteration)}/model.onnx", b"a model")
    server.storage.put(f"{iteration_prefix(iteration)}/bundle/model.json", b"{}")
    train(server, identity, status="Failed", trained=None)
    client.delete(f"/projects/{identity}/tags/{b['id']}")
    with server.database.write() as session:
        row = changed(session, identity, server.now())
        key = session.scalars(select(ImageRow.key).where(ImageRow.id == gone)).one()
        for table in (ImageTagRow, RegionRow):
            remove(session, table, table.image_key == key, row.epoch)
        remove(session, ImageRow, ImageRow.id == gone, row.epoch)
    add_image(server, identity)
    return project


def test_an_offer_counts_what_the_workspace_holds(client: TestClient, project: dict[str, Any]) -> None:
    offer = export(client, project)
    token, estimate = offer.pop("token"), offer.pop("estimatedImportTimeInMS")
    assert offer == {"iterationCount": 1, "imageCount": 3, "tagCount": 1, "regionCount": 2}
    assert quote(token, safe="") == token
    assert isinstance(estimate, int)
    assert 1_000 < estimate < 10_000
    refused(client.get(f"/projects/{UNKNOWN}/export"), "NotFoundProject", 404)


def test_a_copy_holds_what_the_original_holds(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    copy = begin(client, project)
    assert (copy["name"], copy["status"], copy["thumbnailUri"]) == ("shelf (1)", "Importing", None)
    assert copy["settings"] == project["settings"]
    assert copy["description"] == "of a shop"
    run_import(server, payloads(server)[0])
    done = client.get(f"/projects/{copy['id']}").json()
    assert done["status"] == "Succeeded"
    assert "/files/thumbnails/" in done["thumbnailUri"]
    original, same = shape(server, project["id"]), shape(server, copy["id"])
    assert len(original["iterations"]) == 2
    original["iterations"], original["chosen"] = original["iterations"][:1], original["chosen"][:1]
    assert same == original
    assert not ids(server, copy["id"]) & ids(server, project["id"])
    tags = client.get(f"/projects/{copy['id']}/tags").json()
    assert [(tag["name"], tag["imageCount"]) for tag in tags] == [("a", 1)]
    make_tag(client, copy, "b")


def test_iterations_come_along_unpublished(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    copy = begin(client, project)
    run_import(server, payloads(server)[0])
    answer = client.get(f"/projects/{copy['id']}/iterations").json()
    assert [(one["name"], one["status"], one["publishName"]) for one in answer] == [
        ("Iteration 1", "Completed", None)
    ]
    assert "trainedAt" in answer[0]
    prefix = iteration_prefix(answer[0]["id"])
    assert server.storage.get(f"{prefix}/model.onnx") == b"a model"
    assert server.storage.get(f"{prefix}/bundle/model.json") == b"{}"
    query = {"iterationId": answer[0]["id"]}
    tags = client.get(f"/projects/{copy['id']}/tags", params=query).json()
    assert {tag["name"]: tag["imageCount"] for tag in tags} == {"a": 2, "b": 2}
    assert client.delete(f"/projects/{project['id']}").status_code == 400, "the original stays published"


def test_the_negative_set_comes_along(client: TestClient, server: Server, project: dict[str, Any]) -> None:
    client.patch(f"/projects/{project['id']}", json={"settings": {"useNegativeSet": False}})
    train(server, project["id"], use_negative_set=True)
    train(server, project["id"], use_negative_set=False)
    copy = begin(client, project)
    assert copy["settings"]["useNegativeSet"] is False
    run_import(server, payloads(server)[0])
    with server.database.read() as session:
        target = session.scalars(select(ProjectRow).where(ProjectRow.id == copy["id"])).one()
        rows = session.scalars(_of(IterationRow, target)).all()
        assert [row.use_negative_set for row in rows[-2:]] == [True, False]


def test_changes_meanwhile_are_not_in_the_copy(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    before = shape(server, project["id"])
    copy = begin(client, project, name="as it was")
    tag = client.get(f"/projects/{project['id']}/tags").json()[0]
    client.delete(f"/projects/{project['id']}/tags/{tag['id']}")
    add_image(server, project["id"])
    with server.database.read() as session:
        assert session.scalars(select(TagRow).where(TagRow.id == tag["id"])).one().removed is not None
    run_import(server, payloads(server)[0])
    assert rows(shape(server, copy["id"])) == rows(before)
    # The original keeps what its iteration saw, and nothing for the copy's sake.
    with server.database.read() as session:
        removed = session.scalars(select(TagRow.name).where(TagRow.removed.is_not(None), visible(TagRow, 1)))
        assert sorted(removed) == ["a", "b", "b"]
        latest = select(RegionRow).where(RegionRow.removed.is_not(None), RegionRow.added > 1)
        assert session.scalars(latest).all() == []


class Killed(Exception):  # noqa: N818
    pass


def test_a_copy_that_is_killed_goes_on(
    client: TestClient, server: Server, project: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_STEP", 1)
    original = shape(server, project["id"])
    for step in range(6):
        copy = begin(client, project)
        payload, checks = payloads(server)[-1], itertools.count()

        def kill(step: int = step, checks: Iterator[int] = checks) -> None:
            if next(checks) == step:
                raise Killed

        with pytest.raises(Killed):
            run_import(server, payload, kill)
        assert client.get(f"/projects/{copy['id']}").json()["status"] == "Importing"
        run_import(server, payload)
        run_import(server, payload)
        assert client.get(f"/projects/{copy['id']}").json()["status"] == "Succeeded"
        same = shape(server, copy["id"])
        assert rows(same) == rows(original), step
        assert len(same["iterations"]) == 1


def test_a_copy_of_what_is_deleted_meanwhile_fails(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    begin(client, project)
    with server.database.write() as session:
        for row in session.scalars(select(IterationRow)):
            row.publish_name = None
    assert client.delete(f"/projects/{project['id']}").status_code == 204
    with pytest.raises(ServiceError, match="it was deleted"):
        run_import(server, payloads(server)[0])


def test_a_copy_that_is_deleted_is_not_filled(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    copy = begin(client, project)
    payload = payloads(server)[0]
    assert client.delete(f"/projects/{copy['id']}").status_code == 204
    assert payloads(server) == []
    run_import(server, payload)
    assert [one["id"] for one in client.get("/projects").json()] == [project["id"]]


def test_an_iteration_whose_files_are_gone_is_left_out(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    server.storage.delete_folder("iterations")
    copy = begin(client, project)
    run_import(server, payloads(server)[0])
    assert client.get(f"/projects/{copy['id']}/iterations").json() == []
    assert client.get(f"/projects/{copy['id']}").json()["status"] == "Succeeded"


def test_names_of_copies(client: TestClient, server: Server) -> None:
    project = make_project(client, "x" * MAX_NAME)
    assert begin(client, project)["name"] == "x" * (MAX_NAME - 4) + " (1)"
    assert begin(client, project, name=" mine ")["name"] == "mine"
    token = export(client, project)["token"]
    for name in ("x" * (MAX_NAME + 1), "a\nb"):
        refused(
            client.post("/projects/import", params={"token": token, "name": name}), "BadRequestProjectName"
        )
    set_limit(server, projects=3)
    refused(client.post("/projects/import", params={"token": token}), "BadRequestExceedProjectLimit")


def test_tokens_that_nothing_is_imported_with(client: TestClient, server: Server) -> None:
    project = make_project(client)
    token = export(client, project)["token"]
    text = base64.urlsafe_b64decode(token + "==").decode()
    other = text.replace(project["id"], make_project(client)["id"])
    foreign = Links(b"x" * 32).sign(f"/copies/{project['id']}", 2**33)
    file_link = server.links.sign(f"/files/{project['id']}", 2**33)
    wrong = [
        "", "abc", token[:-4], token + "A", "ä" * 40, "%00", "a\x00b", "A" * 5000,
        *(
            base64.urlsafe_b64encode(one.encode()).decode().rstrip("=")
            for one in (other, f"{project['id']}?{foreign}", f"{project['id']}?{file_link}", project["id"])
        ),
    ]  # fmt: skip
    for each in wrong:
        refused(client.post("/projects/import", params={"token": each}), "BadRequestInvalidImportToken")
    refused(client.post("/projects/import"), "BadRequestRequiredParamIsNull")
    now = server.now()
    server.now = lambda: now + timedelta(hours=23, minutes=59)
    assert client.post("/projects/import", params={"token": token}).status_code == 200
    server.now = lambda: now + timedelta(hours=24, minutes=1)
    refused(client.post("/projects/import", params={"token": token}), "BadRequestInvalidImportToken")


def test_what_is_not_complete_or_gone_is_not_copied(client: TestClient) -> None:
    project = make_project(client)
    token = export(client, project)["token"]
    copy = begin(client, project)
    unfinished = export(client, copy)["token"]
    refused(client.post("/projects/import", params={"token": unfinished}), "BadRequestInvalidImportToken")
    client.delete(f"/projects/{project['id']}")
    refused(client.post("/projects/import", params={"token": token}), "BadRequestInvalidImportToken")


def test_a_key_of_one_project_makes_no_other(client: TestClient, server: Server) -> None:
    project = make_project(client)
    with server.database.write() as session:
        key = create_key(session, "one", Scope.TRAINING, project["id"], server.now())[1]
    client.headers["Training-Key"] = key
    token = export(client, project)["token"]
    answer = client.post("/projects/import", params={"token": token})
    refused(answer, "ForbiddenUserInsufficientCapability", 403)
