from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from project_cases import UNKNOWN, add_image, domain_id, make_project, make_tag, refused, set_limit, train
from sqlalchemy import delete, select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.contract.enums import DomainType
from dahlia.server.database.changes import changed, collect_garbage, project_of, remove, visible
from dahlia.server.database.tables import AuditRow, ImageRow, ImageTagRow, RegionRow, TagRow
from dahlia.server.database.work_tables import IterationRow

pytestmark = pytest.mark.both_databases

DETECTION = domain_id("Products on Shelves", DomainType.DETECTION)


@pytest.fixture
def project(client: TestClient) -> dict[str, Any]:
    return make_project(client)


def path_of(project: dict[str, Any], tag: dict[str, Any] | None = None) -> str:
    return f"/projects/{project['id']}/tags" + (f"/{tag['id']}" if tag else "")


def counts(client: TestClient, project: dict[str, Any], iteration: str | None = None) -> dict[str, int]:
    query = {"iterationId": iteration} if iteration else {}
    found = client.get(path_of(project), params=query).json()
    for tag in found:
        assert client.get(path_of(project, tag), params=query).json() == tag
    return {tag["name"]: tag["imageCount"] for tag in found}


def revision(server: Server, project: dict[str, Any]) -> int:
    with server.database.read() as session:
        return project_of(session, project["id"]).revision


def tagged(server: Server, *images: str) -> list[bool]:
    with server.database.read() as session:
        return [session.scalars(select(ImageRow.tagged).where(ImageRow.id == one)).one() for one in images]


def test_a_new_tag(client: TestClient, project: dict[str, Any]) -> None:
    tag = make_tag(client, project, " pine ")
    expected = {"id": tag["id"], "name": "pine", "description": "", "type": "Regular", "imageCount": 0}
    assert tag == expected == client.get(path_of(project, tag)).json()
    other = make_tag(client, project, "none", description="nothing\nelse", type="negative")
    assert (other["type"], other["description"]) == ("Negative", "nothing\nelse")
    assert client.get(path_of(project)).json() == [tag, other]


def test_names_are_spelled_as_models_know_them(client: TestClient, project: dict[str, Any]) -> None:
    decomposed = unicodedata.normalize("NFD", "Kürbis")
    assert make_tag(client, project, decomposed)["name"] == "Kürbis"
    refused(client.post(path_of(project), params={"name": "Kürbis"}), "BadRequestTagNameNotUnique")
    for name in ("kürbis", "a, b", "50/50", "a;b", "'quoted'", "日本"):
        assert make_tag(client, project, name)["name"] == name


REFUSED: list[tuple[dict[str, str], str]] = [
    ({}, "BadRequestRequiredParamIsNull"),
    ({"name": "  "}, "BadRequestTagName"),
    ({"name": "x" * 201}, "BadRequestTagName"),
    ({"name": "a\nb"}, "BadRequestTagName"),
    ({"name": "a\x00b"}, "BadRequestTagName"),
    ({"name": "pine"}, "BadRequestTagNameNotUnique"),
    ({"name": "a", "description": "x" * 2001}, "BadRequestTagDescription"),
    ({"name": "a", "type": "Positive"}, "BadRequestTagType"),
    ({"name": "a", "type": "GeneralProduct"}, "BadRequestTagType"),
    ({"name": "a", "type": "Negative"}, "BadRequestMultipleNegativeTag"),
]


def test_what_a_tag_cannot_be(client: TestClient, server: Server, project: dict[str, Any]) -> None:
    present = [make_tag(client, project, "pine"), make_tag(client, project, "none", type="Negative")]
    before = revision(server, project)
    for query, code in REFUSED:
        refused(client.post(path_of(project), params=query), code)
    assert client.get(path_of(project)).json() == present
    assert revision(server, project) == before


def test_products_are_for_detection(client: TestClient) -> None:
    project = make_project(client, domainId=DETECTION)
    tag = make_tag(client, project, "product", type="generalproduct")
    assert tag["type"] == "GeneralProduct"
    refused(
        client.post(path_of(project), params={"name": "a", "type": "GeneralProduct"}),
        "BadRequestMultipleGeneralProductTag",
    )


def test_there_are_as_many_tags_as_may_be(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    set_limit(server, tags_per_project=2)
    first = make_tag(client, project, "a")
    make_tag(client, project, "b")
    refused(client.post(path_of(project), params={"name": "c"}), "BadRequestExceedTagPerProjectLimit")
    client.delete(path_of(project, first))
    make_tag(client, project, "a")
    make_tag(client, make_project(client), "c")


def test_what_is_left_out_of_a_change_stays(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    tag = make_tag(client, project, "pine", description="old")
    add_image(server, project["id"], tag["id"])
    before = revision(server, project)
    changed = client.patch(path_of(project, tag), json={"description": "new"}).json()
    assert changed == tag | {"description": "new", "imageCount": 1}
    assert client.patch(path_of(project, tag), json=changed).json() == changed
    assert revision(server, project) == before, "a training would see nothing new"
    answer = client.patch(path_of(project, tag), json={"Name": "fir", "description": None})
    assert answer.json() == changed | {"name": "fir"}
    assert revision(server, project) == before + 1


def test_changes_that_cannot_be(client: TestClient, server: Server, project: dict[str, Any]) -> None:
    tag, other = make_tag(client, project, "pine"), make_tag(client, project, "fir")
    none = make_tag(client, project, "none", type="Negative")
    add_image(server, project["id"], tag["id"], other["id"])
    rows: list[tuple[dict[str, Any], str]] = [
        ({"name": "fir"}, "BadRequestTagNameNotUnique"),
        ({"name": ""}, "BadRequestTagName"),
        ({"description": "\x07"}, "BadRequestTagDescription"),
        ({"type": "Negative"}, "BadRequestMultipleNegativeTag"),
        ({"type": "GeneralProduct"}, "BadRequestTagType"),
        ({"type": "Positive"}, "BadRequestInvalid"),
    ]
    for change, code in rows:
        refused(client.patch(path_of(project, tag), json=change), code)
    assert client.patch(path_of(project, none), json={"type": "Regular"}).json()["type"] == "Regular"
    refused(
        client.patch(path_of(project, tag), json={"type": "Negative"}),
        "BadRequestNegativeAndRegularTagOnSameImage",
    )
    assert client.patch(path_of(project, none), json={"type": "Negative"}).json()["type"] == "Negative"


def test_tags_that_are_not_there(client: TestClient, project: dict[str, Any]) -> None:
    elsewhere = make_tag(client, make_project(client), "a")["id"]
    for identity in (UNKNOWN, elsewhere):
        path = f"{path_of(project)}/{identity}"
        for answer in (client.get(path), client.delete(path), client.patch(path, json={"name": "b"})):
            refused(answer, "NotFoundTag", 404)
    refused(client.get(f"{path_of(project)}/pine"), "BadRequestInvalidIds")
    refused(client.get(f"/projects/{UNKNOWN}/tags"), "NotFoundProject", 404)
    refused(client.post(f"/projects/{UNKNOWN}/tags", params={"name": "a"}), "NotFoundProject", 404)
    refused(client.get(path_of(project), params={"iterationId": UNKNOWN}), "NotFoundIteration", 404)


def test_images_are_counted_as_the_iteration_saw_them(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    a, b = make_tag(client, project, "a"), make_tag(client, project, "b")
    both = add_image(server, project["id"], a["id"], b["id"])
    add_image(server, project["id"], a["id"])
    add_image(server, project["id"])
    add_image(server, make_project(client)["id"])
    assert counts(client, project) == {"a": 2, "b": 1}
    first = train(server, project["id"])
    add_image(server, project["id"], b["id"])
    with server.database.write() as session:
        row = changed(session, project["id"], server.now())
        key = session.scalars(select(ImageRow.key).where(ImageRow.id == both)).one()
        remove(session, ImageTagRow, ImageTagRow.image_key == key, row.epoch)
        remove(session, ImageRow, ImageRow.key == key, row.epoch)
    make_tag(client, project, "c")
    client.patch(path_of(project, a), json={"name": "A"})
    assert counts(client, project) == {"A": 1, "b": 1, "c": 0}
    assert counts(client, project, first) == {"A": 2, "b": 1}
    second = train(server, project["id"])
    client.delete(path_of(project, a))
    assert counts(client, project) == {"b": 1, "c": 0}
    assert counts(client, project, second) == {"A": 1, "b": 1, "c": 0}
    refused(client.get(path_of(project, a)), "NotFoundTag", 404)
    assert client.get(path_of(project, a), params={"iterationId": second}).json()["imageCount"] == 1


def test_a_deleted_tag_leaves_its_images(client: TestClient, server: Server, project: dict[str, Any]) -> None:
    a, b = make_tag(client, project, "a"), make_tag(client, project, "b")
    only, both = (add_image(server, project["id"], a["id"], *more, boxes=2) for more in ((), (b["id"],)))
    answer = client.delete(path_of(project, a))
    assert (answer.status_code, answer.content) == (204, b"")
    assert tagged(server, only, both) == [False, True]
    with server.database.read() as session:
        assert session.scalars(select(TagRow.name)).all() == ["b"]
        assert session.scalars(select(RegionRow)).all() == []
        assert len(session.scalars(select(ImageTagRow)).all()) == 1
    again = make_tag(client, project, "a")
    assert again["id"] != a["id"]
    assert counts(client, project) == {"b": 1, "a": 0}


def test_iterations_keep_what_is_deleted_after_them(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    a = make_tag(client, project, "a")
    old = add_image(server, project["id"], a["id"], boxes=1)
    iteration = train(server, project["id"])
    new = add_image(server, project["id"], a["id"], boxes=1)
    client.delete(path_of(project, a))
    assert tagged(server, old, new) == [False, False]
    make_tag(client, project, "a")
    assert counts(client, project) == {"a": 0}
    assert counts(client, project, iteration) == {"a": 1}
    with server.database.read() as session:
        for table in (TagRow, ImageTagRow, RegionRow):
            rows = session.scalars(select(table).where(visible(table, 1))).all()
            assert [(row.added, row.removed) for row in rows] == [(1, 2)], table
    with server.database.write() as session:
        row = project_of(session, project["id"])
        collect_garbage(session, row.key, 1)
        assert len(session.scalars(select(RegionRow)).all()) == 1, "the iteration sees it"
    with server.database.write() as session:
        session.execute(delete(IterationRow))
        collect_garbage(session, project_of(session, project["id"]).key, 1)
        assert session.scalars(select(RegionRow)).all() == []
        assert session.scalars(select(ImageTagRow)).all() == []
        assert [tag.removed for tag in session.scalars(select(TagRow))] == [None]
        assert len(session.scalars(select(ImageRow)).all()) == 2


def test_every_change_is_in_the_audit_log(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    tag = make_tag(client, project, "a")
    client.patch(path_of(project, tag), json={"name": "b"})
    client.delete(path_of(project, tag))
    with server.database.read() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.key)).all()[1:]
    assert [row.action for row in rows] == ["create_tag", "update_tag", "delete_tag"]
    assert {row.project_id for row in rows} == {project["id"]}
    assert rows[2].details == {"tag": tag["id"], "name": "b"}
