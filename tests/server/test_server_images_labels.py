from __future__ import annotations

from typing import Any

import pytest
from image_cases import box, entry, tag_names, uploaded
from project_cases import UNKNOWN, domain_id, make_project, make_tag, refused, set_limit, train
from sqlalchemy import func, select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.contract.bodies import RegionBody
from dahlia.server.contract.enums import DomainType
from dahlia.server.contract.errors import ServiceError
from dahlia.server.database.changes import changed, project_of
from dahlia.server.database.tables import ImageRow, ImageTagRow, RegionRow
from dahlia.server.images.labels import box_of, refresh_tagged

DETECTION = domain_id("General", DomainType.DETECTION)
V32 = "http://testserver/customvision/v3.2/training"


class Shelf:
    """A project with two tags and two images, the first of which is a pine."""

    def __init__(self, client: TestClient, **kind: str) -> None:
        project = make_project(client, **kind)
        self.client, self.id, self.path = client, project["id"], f"/projects/{project['id']}/images"
        self.pine, self.oak = (make_tag(client, project, name)["id"] for name in ("pine", "oak"))
        self.first, self.second = uploaded(client, self.id, entry(1, self.pine), entry(2))

    def tag(self, *pairs: tuple[str, str]) -> Any:
        tags = [{"imageId": image, "tagId": tag} for image, tag in pairs]
        return self.client.post(f"{self.path}/tags", json={"tags": tags})

    def untag(self, images: str, tags: str) -> None:
        answer = self.client.delete(f"{self.path}/tags", params={"imageIds": images, "tagIds": tags})
        assert (answer.status_code, answer.content) == (204, b"")

    def draw(self, image: str, *boxes: dict[str, Any]) -> Any:
        return self.client.post(
            f"{self.path}/regions", json={"regions": [{"imageId": image, **one} for one in boxes]}
        )

    def image(self, image: str) -> dict[str, Any]:
        (found,) = self.client.get(f"{self.path}/id", params={"imageIds": image}).json()
        return dict(found)


@pytest.fixture
def shelf(client: TestClient) -> Shelf:
    return Shelf(client, classificationType="Multilabel")


@pytest.fixture
def scene(client: TestClient) -> Shelf:
    return Shelf(client, domainId=DETECTION)


def revision(server: Server, project: str) -> int:
    with server.database.read() as session:
        return project_of(session, project).revision


def tagged(server: Server, *images: str) -> list[bool]:
    with server.database.read() as session:
        return [session.scalars(select(ImageRow.tagged).where(ImageRow.id == one)).one() for one in images]


def rows(server: Server, table: Any) -> int:
    with server.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_tags_are_given_and_taken(shelf: Shelf, server: Server) -> None:
    before = revision(server, shelf.id)
    answer = shelf.tag((shelf.second, shelf.oak), (shelf.first, shelf.pine), (shelf.second, shelf.oak))
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "created": [{"imageId": shelf.second, "tagId": shelf.oak}],
            "duplicated": [{"imageId": shelf.first, "tagId": shelf.pine}],
            "exceeded": [],
        },
    )
    assert (tagged(server, shelf.second), revision(server, shelf.id)) == ([True], before + 1)
    shelf.tag((shelf.first, shelf.pine))
    assert revision(server, shelf.id) == before + 1
    shelf.untag(f"{shelf.first},{shelf.second}", shelf.pine)
    assert (tagged(server, shelf.first, shelf.second), revision(server, shelf.id)) == (
        [False, True],
        before + 2,
    )
    shelf.untag(f"{shelf.first},{UNKNOWN}", f"{shelf.pine},{UNKNOWN}")
    assert revision(server, shelf.id) == before + 2
    assert "tags" not in shelf.image(shelf.first)


def test_iterations_keep_tags_that_are_taken(shelf: Shelf, server: Server) -> None:
    iteration = train(server, shelf.id)
    shelf.untag(shelf.first, shelf.pine)
    shelf.tag((shelf.first, shelf.pine))
    shelf.untag(shelf.first, shelf.pine)
    assert rows(server, ImageTagRow) == 1
    query = {"imageIds": shelf.first, "iterationId": iteration}
    (then,) = shelf.client.get(f"{shelf.path}/id", params=query).json()
    assert tag_names(then) == ["pine"]
    assert tag_names(shelf.image(shelf.first)) == []


def test_more_tags_than_an_image_may_have(shelf: Shelf, server: Server, client: TestClient) -> None:
    set_limit(server, tags_per_image=1)
    exceeded = [{"imageId": shelf.first, "tagId": shelf.oak}]
    assert shelf.tag((shelf.first, shelf.oak)).json()["exceeded"] == exceeded


def test_several_tags_where_tags_exclude_each_other(client: TestClient) -> None:
    shelf = Shelf(client, name="other", classificationType="Multiclass")
    answer = shelf.tag((shelf.first, shelf.oak), (shelf.second, shelf.oak), (shelf.second, shelf.pine)).json()
    assert (len(answer["created"]), answer["exceeded"]) == (3, [])
    assert tag_names(shelf.image(shelf.first)) == ["pine", "oak"]


def test_refused_tags(shelf: Shelf, server: Server) -> None:
    none = make_tag(shelf.client, {"id": shelf.id}, "none", type="Negative")["id"]
    before = revision(server, shelf.id)
    refused(
        shelf.tag((shelf.second, shelf.oak), (shelf.first, none)),
        "BadRequestNegativeAndRegularTagOnSameImage",
    )
    refused(shelf.tag((shelf.second, none), (shelf.second, UNKNOWN)), "NotFoundTag", 404)
    refused(shelf.tag((shelf.second, none), (UNKNOWN, none)), "NotFoundImage", 404)
    refused(shelf.tag(), "BadRequestImageBatch")
    refused(shelf.tag(("pine", none)), "BadRequestInvalidIds")
    set_limit(server, batch_images=1, batch_tags=1)
    refused(shelf.tag((shelf.first, none), (shelf.second, none)), "BadRequestExceededBatchSize")
    refused(shelf.tag((shelf.first, none), (shelf.first, shelf.oak)), "BadRequestExceededBatchSize")
    query = {"imageIds": shelf.first, "tagIds": f"{none},{shelf.oak}"}
    refused(shelf.client.delete(f"{shelf.path}/tags", params=query), "BadRequestExceededBatchSize")
    missing = shelf.client.delete(f"{shelf.path}/tags", params={"imageIds": shelf.first})
    refused(missing, "BadRequestRequiredParamIsNull")
    assert (revision(server, shelf.id), tagged(server, shelf.second)) == (before, [False])


def test_regions_bring_their_tags_and_take_them_along(scene: Shelf, server: Server) -> None:
    answer = scene.draw(scene.second, box(scene.oak), box(scene.oak, left=0.2), box(scene.oak))
    assert answer.status_code == 200, answer.text
    created, duplicated = answer.json()["created"], answer.json()["duplicated"]
    assert [(one["tagName"], one["left"], one["imageId"]) for one in created] == [
        ("oak", 0.1, scene.second),
        ("oak", 0.2, scene.second),
    ]
    assert duplicated == [{"imageId": scene.second, **box(scene.oak)}]
    image = scene.image(scene.second)
    assert (tag_names(image), len(image["regions"])) == (["oak"], 2)
    assert tagged(server, scene.second) == [True]
    ids = [one["regionId"] for one in created]
    path = f"{scene.path}/regions"
    assert scene.client.delete(path, params={"regionIds": f"{ids[0]},{UNKNOWN}"}).status_code == 204
    assert tag_names(scene.image(scene.second)) == ["oak"]
    before = revision(server, scene.id)
    for _ in range(2):
        assert scene.client.delete(path, params={"regionIds": ids[1]}).status_code == 204
    image = scene.image(scene.second)
    assert "tags" not in image
    assert "regions" not in image
    assert (tagged(server, scene.second), revision(server, scene.id)) == ([False], before + 1)
    assert rows(server, RegionRow) == 0


def test_a_tag_takes_its_regions_along(scene: Shelf, server: Server) -> None:
    scene.draw(scene.first, box(scene.oak), box(scene.pine))
    iteration = train(server, scene.id)
    scene.untag(scene.first, scene.oak)
    assert [one["tagName"] for one in scene.image(scene.first)["regions"]] == ["pine"]
    query = {"imageIds": scene.first, "iterationId": iteration}
    (then,) = scene.client.get(f"{scene.path}/id", params=query).json()
    assert [one["tagName"] for one in then["regions"]] == ["oak", "pine"]


def test_more_regions_than_an_image_may_have(scene: Shelf, server: Server) -> None:
    set_limit(server, regions_per_image=1)
    answer = scene.draw(scene.first, box(scene.oak), box(scene.oak, left=0.2))
    assert (answer.status_code, len(answer.json()["created"])) == (207, 1)
    assert answer.json()["exceeded"] == [{"imageId": scene.first, **box(scene.oak, left=0.2)}]
    body = {"regions": [{"imageId": scene.first, **box(scene.pine)}]}
    assert scene.client.post(f"{V32}{scene.path}/regions", json=body).status_code == 200


def test_refused_regions(scene: Shelf, shelf_in_words: Any, server: Server) -> None:
    refused(scene.draw(scene.first), "BadRequestImageRegions")
    refused(scene.draw(scene.first, box(UNKNOWN)), "NotFoundTag", 404)
    refused(scene.draw(UNKNOWN, box(scene.pine)), "NotFoundImage", 404)
    refused(scene.draw(scene.first, box(scene.pine, left=0.6)), "BadRequestImageRegions")
    set_limit(server, batch_regions=1)
    refused(scene.draw(scene.first, box(scene.pine), box(scene.oak)), "BadRequestExceededBatchSize")
    refused(
        shelf_in_words.draw(shelf_in_words.first, box(shelf_in_words.pine)), "BadRequestUnsupportedDomain"
    )


@pytest.fixture
def shelf_in_words(client: TestClient) -> Shelf:
    return Shelf(client, name="words", classificationType="Multilabel")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((0, 0, 1, 1), (0, 0, 1, 1)),
        ((0.25, 0.5, 0.75, 0.5), (0.25, 0.5, 0.75, 0.5)),
        ((-1e-6, 0.5, 0.5, 0.500001), (0, 0.5, 0.5, 0.5)),
        ((0.5, 0.5, 0.6, 0.1), None),
        ((0.5, 0.5, 0.1, 0.6), None),
        ((-0.1, 0.5, 0.1, 0.1), None),
        ((0.5, 0.5, 0, 0.1), None),
        ((0.5, 0.5, 0.1, -0.1), None),
        ((1, 0, 1e-6, 1), None),
        ((1e308, 0, 1e308, 1), None),
    ],
)
def test_boxes(given: tuple[float, ...], expected: tuple[float, ...] | None) -> None:
    left, top, width, height = given
    region = RegionBody(tag_id=UNKNOWN, left=left, top=top, width=width, height=height)
    if expected:
        assert box_of(region) == expected
    else:
        with pytest.raises(ServiceError, match="as fractions of the image's width"):
            box_of(region)


def test_images_learn_whether_they_are_tagged(shelf: Shelf, server: Server) -> None:
    with server.database.write() as session:
        project = changed(session, shelf.id, server.now())
        for row in session.scalars(select(ImageRow)):
            row.tagged = not row.tagged
        session.flush()
        refresh_tagged(session, select(ImageRow.key).where(ImageRow.project_key == project.key))
    assert tagged(server, shelf.first, shelf.second) == [True, False]
