"""Two tags that become one: images, regions, iterations, refusals, and what stops in the middle."""

from __future__ import annotations

from typing import Any

import pytest
from project_cases import UNKNOWN, add_image, domain_id, make_project, make_tag, refused, train
from sqlalchemy import func, select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.contract.enums import DomainType
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import AuditRow, ImageRow, ImageTagRow, RegionRow, TagRow
from dahlia.server.keys.keys import Access, Scope
from dahlia.server.projects import merging

pytestmark = pytest.mark.both_databases

DETECTION = domain_id("General", DomainType.DETECTION)


@pytest.fixture
def project(client: TestClient) -> dict[str, Any]:
    return make_project(client)


def merge(client: TestClient, project: dict[str, Any], tag: str, into: Any) -> Any:
    path = f"http://testserver/dahlia/v1/projects/{project['id']}/tags/{tag}/merge"
    return client.post(path, json={"into": into})


def tags_of(client: TestClient, project: dict[str, Any], iteration: str | None = None) -> dict[str, int]:
    query = {"iterationId": iteration} if iteration else {}
    found = client.get(f"/projects/{project['id']}/tags", params=query).json()
    return {tag["name"]: tag["imageCount"] for tag in found}


def boxes(server: Server) -> set[tuple[str, str, float]]:
    """Live regions: image, name of the tag, left."""
    with server.database.read() as session:
        rows = session.execute(
            select(ImageRow.id, TagRow.name, RegionRow.left)
            .join(ImageRow, ImageRow.key == RegionRow.image_key)
            .join(TagRow, TagRow.key == RegionRow.tag_key)
            .where(RegionRow.removed.is_(None))
        )
        return {(image, name, round(left, 3)) for image, name, left in rows}


def test_images_have_the_tag_that_remains(
    client: TestClient, server: Server, project: dict[str, Any]
) -> None:
    old, new = make_tag(client, project, "fir"), make_tag(client, project, "pine")
    other = make_tag(client, project, "oak")
    add_image(server, project["id"], old["id"])
    add_image(server, project["id"], old["id"], new["id"], other["id"])
    add_image(server, project["id"], new["id"])
    add_image(server, project["id"])
    with server.database.read() as session:
        before = project_of(session, project["id"]).revision
    answer = merge(client, project, old["id"].upper(), new["id"].upper())
    assert answer.status_code == 200, answer.text
    assert answer.json() == new | {"imageCount": 3}
    assert tags_of(client, project) == {"pine": 3, "oak": 1}
    with server.database.read() as session:
        assert project_of(session, project["id"]).revision > before, "a training sees the change"
        live = session.scalar(
            select(func.count()).select_from(ImageTagRow).where(ImageTagRow.removed.is_(None))
        )
        line = session.scalars(select(AuditRow).order_by(AuditRow.key.desc())).first()
        assert line is not None
    assert live == 4
    assert (line.action, line.project_id) == ("merge_tags", project["id"])
    assert line.details == {"tag": old["id"], "name": "fir", "into": new["id"], "into_name": "pine"}
    assert make_tag(client, project, "fir")["imageCount"] == 0, "the name is free again"


def test_regions_are_moved_and_none_is_there_twice(client: TestClient, server: Server) -> None:
    project = make_project(client, domainId=DETECTION)
    old, new = make_tag(client, project, "fir"), make_tag(client, project, "pine")
    one = add_image(server, project["id"], old["id"], boxes=3)
    both = add_image(server, project["id"], new["id"], boxes=1)
    path = f"/projects/{project['id']}/images/regions"
    box = {"left": 0.0, "top": 0.25, "width": 0.5, "height": 0.5}
    drawn = [{"imageId": both, "tagId": old["id"], **box}, {"imageId": both, "tagId": old["id"], **box}]
    drawn[1]["left"] = 0.4
    assert client.post(path, json={"regions": drawn}).status_code == 200
    with server.database.read() as session:
        created = set(session.scalars(select(RegionRow.created)))
    assert merge(client, project, old["id"], new["id"]).json() == new | {"imageCount": 2}
    assert boxes(server) == {
        (one, "pine", 0.0), (one, "pine", 0.1), (one, "pine", 0.2), (both, "pine", 0.0), (both, "pine", 0.4),
    }  # fmt: skip
    with server.database.read() as session:
        assert session.scalar(select(func.count()).select_from(RegionRow)) == 5
        assert set(session.scalars(select(RegionRow.created))) <= created, "drawn when they were drawn"


def test_iterations_keep_what_they_were_trained_with(client: TestClient, server: Server) -> None:
    project = make_project(client, domainId=DETECTION)
    old, new = make_tag(client, project, "fir"), make_tag(client, project, "pine")
    image = add_image(server, project["id"], old["id"], boxes=2)
    iteration = train(server, project["id"])
    add_image(server, project["id"], old["id"], boxes=1)
    assert merge(client, project, old["id"], new["id"]).json()["imageCount"] == 2
    assert tags_of(client, project, iteration) == {"fir": 1, "pine": 0}
    shown = client.get(f"/projects/{project['id']}/images/tagged", params={"iterationId": iteration}).json()
    assert [one["id"] for one in shown] == [image]
    assert {region["tagName"] for region in shown[0]["regions"]} == {"fir"}
    assert len(boxes(server)) == 3


def test_tags_that_cannot_become_one(client: TestClient, server: Server, project: dict[str, Any]) -> None:
    tag, none = make_tag(client, project, "pine"), make_tag(client, project, "none", type="Negative")
    elsewhere = make_tag(client, make_project(client), "a")["id"]
    add_image(server, project["id"], tag["id"])
    refused(merge(client, project, tag["id"], tag["id"].upper()), "BadRequestInvalid")
    for ended, into in ((tag, none), (none, tag)):
        assert "'none'" in refused(merge(client, project, ended["id"], into["id"]), "BadRequestTagType")
    for unknown in (UNKNOWN, elsewhere):
        refused(merge(client, project, unknown, tag["id"]), "NotFoundTag", 404)
        assert "which into names" in refused(merge(client, project, tag["id"], unknown), "NotFoundTag", 404)
    assert "into" in refused(merge(client, project, tag["id"], "fir"), "BadRequestInvalidIds")
    refused(merge(client, {"id": UNKNOWN}, tag["id"], none["id"]), "NotFoundProject", 404)
    assert tags_of(client, project) == {"pine": 1, "none": 0}
    with server.database.read() as session:
        assert "merge_tags" not in set(session.scalars(select(AuditRow.action)))


def test_what_stops_in_the_middle_goes_on_when_it_is_asked_again(
    client: TestClient, server: Server, project: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "MOVED_AT_ONCE", 2)
    old, new = make_tag(client, project, "fir"), make_tag(client, project, "pine")
    for _ in range(5):
        add_image(server, project["id"], old["id"])

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr("time.sleep", stop)
        with pytest.raises(KeyboardInterrupt):
            merging.merge_tags(server, _access(server), project["id"], old["id"], new["id"])
    assert tags_of(client, project) == {"fir": 3, "pine": 2}
    assert merge(client, project, old["id"], new["id"]).json()["imageCount"] == 5
    assert tags_of(client, project) == {"pine": 5}


def _access(server: Server) -> Access:
    with server.database.read() as session:
        actor = session.scalars(select(AuditRow.actor).where(AuditRow.actor.is_not(None))).first()
    assert actor is not None
    return Access(actor, Scope.TRAINING, None)
