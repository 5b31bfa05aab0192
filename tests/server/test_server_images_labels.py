from __future__ import annotations

from typing import Any

import pytest
from image_cases import box, entry, statuses, tag_names, upload, uploaded
from project_cases import UNKNOWN, domain_id, make_project, make_tag, refused, set_limit, train
from sqlalchemy import func, select
from starlette.testclient import TestClient

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.bodies import RegionBody
from dahlia.server.contract.enums import DomainType
from dahlia.server.database.changes import changed, project_of
from dahlia.server.database.tables import ImageRow, ImageTagRow, RegionRow
from dahlia.server.images.labels import box_of, refresh_tagged

DETECTION = domain_id("General", DomainType.DETECTION)
V32 = "http://testserver/customvision/v3.2/training"


class LabelledProject:
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
def project(client: TestClient) -> LabelledProject:
    return LabelledProject(client, classificationType="Multilabel")


@pytest.fixture
def detector(client: TestClient) -> LabelledProject:
    return LabelledProject(client, domainId=DETECTION)


def revision(server: Server, project: str) -> int:
    with server.database.read() as session:
        return project_of(session, project).revision


def tagged(server: Server, *images: str) -> list[bool]:
    with server.database.read() as session:
        return [session.scalars(select(ImageRow.tagged).where(ImageRow.id == one)).one() for one in images]


def rows(server: Server, table: Any) -> int:
    with server.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_tags_are_given_and_taken(project: LabelledProject, server: Server) -> None:
    before = revision(server, project.id)
    answer = project.tag(
        (project.second, project.oak), (project.first, project.pine), (project.second, project.oak)
    )
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "created": [{"imageId": project.second, "tagId": project.oak}],
            "duplicated": [{"imageId": project.first, "tagId": project.pine}],
            "exceeded": [],
        },
    )
    assert (tagged(server, project.second), revision(server, project.id)) == ([True], before + 1)
    project.tag((project.first, project.pine))
    assert revision(server, project.id) == before + 1
    project.untag(f"{project.first},{project.second}", project.pine)
    assert (tagged(server, project.first, project.second), revision(server, project.id)) == (
        [False, True],
        before + 2,
    )
    project.untag(f"{project.first},{UNKNOWN}", f"{project.pine},{UNKNOWN}")
    assert revision(server, project.id) == before + 2
    assert "tags" not in project.image(project.first)


def test_iterations_keep_tags_that_are_taken(project: LabelledProject, server: Server) -> None:
    iteration = train(server, project.id)
    project.untag(project.first, project.pine)
    project.tag((project.first, project.pine))
    project.untag(project.first, project.pine)
    assert rows(server, ImageTagRow) == 1
    query = {"imageIds": project.first, "iterationId": iteration}
    (then,) = project.client.get(f"{project.path}/id", params=query).json()
    assert tag_names(then) == ["pine"]
    assert tag_names(project.image(project.first)) == []


def test_more_tags_than_an_image_may_have(
    project: LabelledProject, server: Server, client: TestClient
) -> None:
    set_limit(server, tags_per_image=1)
    exceeded = [{"imageId": project.first, "tagId": project.oak}]
    assert project.tag((project.first, project.oak)).json()["exceeded"] == exceeded


def test_several_tags_where_tags_exclude_each_other(client: TestClient) -> None:
    project = LabelledProject(client, name="other", classificationType="Multiclass")
    answer = project.tag(
        (project.first, project.oak), (project.second, project.oak), (project.second, project.pine)
    ).json()
    assert (len(answer["created"]), answer["exceeded"]) == (3, [])
    assert tag_names(project.image(project.first)) == ["pine", "oak"]


def test_refused_tags(project: LabelledProject, server: Server) -> None:
    none = make_tag(project.client, {"id": project.id}, "none", type="Negative")["id"]
    before = revision(server, project.id)
    refused(
        project.tag((project.second, project.oak), (project.first, none)),
        "BadRequestNegativeAndRegularTagOnSameImage",
    )
    refused(project.tag((project.second, none), (project.second, UNKNOWN)), "NotFoundTag", 404)
    refused(project.tag((project.second, none), (UNKNOWN, none)), "NotFoundImage", 404)
    refused(project.tag(), "BadRequestImageBatch")
    refused(project.tag(("pine", none)), "BadRequestInvalidIds")
    set_limit(server, batch_images=1, batch_tags=1)
    refused(project.tag((project.first, none), (project.second, none)), "BadRequestExceededBatchSize")
    refused(project.tag((project.first, none), (project.first, project.oak)), "BadRequestExceededBatchSize")
    query = {"imageIds": project.first, "tagIds": f"{none},{project.oak}"}
    refused(project.client.delete(f"{project.path}/tags", params=query), "BadRequestExceededBatchSize")
    missing = project.client.delete(f"{project.path}/tags", params={"imageIds": project.first})
    refused(missing, "BadRequestRequiredParamIsNull")
    assert (revision(server, project.id), tagged(server, project.second)) == (before, [False])


def test_regions_bring_their_tags_and_take_them_along(detector: LabelledProject, server: Server) -> None:
    answer = detector.draw(detector.second, box(detector.oak), box(detector.oak, left=0.2), box(detector.oak))
    assert answer.status_code == 200, answer.text
    created, duplicated = answer.json()["created"], answer.json()["duplicated"]
    assert [(one["tagName"], one["left"], one["imageId"]) for one in created] == [
        ("oak", 0.1, detector.second),
        ("oak", 0.2, detector.second),
    ]
    assert duplicated == [{"imageId": detector.second, **box(detector.oak)}]
    image = detector.image(detector.second)
    assert (tag_names(image), len(image["regions"])) == (["oak"], 2)
    assert tagged(server, detector.second) == [True]
    ids = [one["regionId"] for one in created]
    path = f"{detector.path}/regions"
    assert detector.client.delete(path, params={"regionIds": f"{ids[0]},{UNKNOWN}"}).status_code == 204
    assert tag_names(detector.image(detector.second)) == ["oak"]
    before = revision(server, detector.id)
    for _ in range(2):
        assert detector.client.delete(path, params={"regionIds": ids[1]}).status_code == 204
    image = detector.image(detector.second)
    assert "tags" not in image
    assert "regions" not in image
    assert (tagged(server, detector.second), revision(server, detector.id)) == ([False], before + 1)
    assert rows(server, RegionRow) == 0


def test_a_tag_takes_its_regions_along(detector: LabelledProject, server: Server) -> None:
    detector.draw(detector.first, box(detector.oak), box(detector.pine))
    iteration = train(server, detector.id)
    detector.untag(detector.first, detector.oak)
    assert [one["tagName"] for one in detector.image(detector.first)["regions"]] == ["pine"]
    query = {"imageIds": detector.first, "iterationId": iteration}
    (then,) = detector.client.get(f"{detector.path}/id", params=query).json()
    assert [one["tagName"] for one in then["regions"]] == ["oak", "pine"]


def test_more_regions_than_an_image_may_have(detector: LabelledProject, server: Server) -> None:
    set_limit(server, regions_per_image=1)
    answer = detector.draw(detector.first, box(detector.oak), box(detector.oak, left=0.2))
    assert (answer.status_code, len(answer.json()["created"])) == (207, 1)
    assert answer.json()["exceeded"] == [{"imageId": detector.first, **box(detector.oak, left=0.2)}]
    body = {"regions": [{"imageId": detector.first, **box(detector.pine)}]}
    assert detector.client.post(f"{V32}{detector.path}/regions", json=body).status_code == 200


def test_refused_regions(detector: LabelledProject, classifier: Any, server: Server) -> None:
    refused(detector.draw(detector.first), "BadRequestImageRegions")
    refused(detector.draw(detector.first, box(UNKNOWN)), "NotFoundTag", 404)
    refused(detector.draw(UNKNOWN, box(detector.pine)), "NotFoundImage", 404)
    refused(detector.draw(detector.first, box(detector.pine, left=0.6)), "BadRequestImageRegions")
    set_limit(server, batch_regions=1)
    refused(
        detector.draw(detector.first, box(detector.pine), box(detector.oak)), "BadRequestExceededBatchSize"
    )
    refused(classifier.draw(classifier.first, box(classifier.pine)), "BadRequestUnsupportedDomain")


@pytest.fixture
def classifier(client: TestClient) -> LabelledProject:
    return LabelledProject(client, name="words", classificationType="Multilabel")


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
        ((0.5, 0.5, 5e-324, 0.1), None),
        ((0.5, 0.5, 0.1, 1e-6), None),
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


def test_images_learn_whether_they_are_tagged(project: LabelledProject, server: Server) -> None:
    with server.database.write() as session:
        locked = changed(session, project.id, server.now())
        for row in session.scalars(select(ImageRow)):
            row.tagged = not row.tagged
        session.flush()
        refresh_tagged(session, select(ImageRow.key).where(ImageRow.project_key == locked.key))
    assert tagged(server, project.first, project.second) == [True, False]


def test_regions_of_the_negative_tag(detector: LabelledProject, server: Server) -> None:
    none = make_tag(detector.client, {"id": detector.id}, "none", type="Negative")["id"]
    before = rows(server, RegionRow), rows(server, ImageRow), revision(server, detector.id)
    drawn = detector.draw(detector.second, box(detector.oak), box(none))
    said = refused(drawn, "BadRequestImageRegions")
    assert f"received regions[1] with the tag {none}, 'none', which is the negative tag" in said
    for version in ("v3.2", "v3.4-preview"):
        base = f"http://testserver/customvision/{version}/training"
        sent = {"images": [entry(8), entry(9, regions=[box(detector.oak), box(none)])]}
        answer = detector.client.post(f"{base}/projects/{detector.id}/images/files", json=sent)
        assert "images[1].regions[1]" in refused(answer, "BadRequestImageRegions")
    assert (rows(server, RegionRow), rows(server, ImageRow), revision(server, detector.id)) == before
    assert len(detector.tag((detector.second, none)).json()["created"]) == 1


def test_a_tag_with_regions_is_not_made_negative(detector: LabelledProject) -> None:
    (drawn,) = detector.draw(detector.second, box(detector.oak)).json()["created"]
    path = f"/projects/{detector.id}/tags/{detector.oak}"
    said = refused(detector.client.patch(path, json={"type": "Negative"}), "BadRequestTagType")
    assert "'oak', which has some" in said
    detector.client.delete(f"{detector.path}/regions", params={"regionIds": drawn["regionId"]})
    assert detector.client.patch(path, json={"type": "Negative"}).json()["type"] == "Negative"


def test_refusals_name_the_entry(detector: LabelledProject) -> None:
    image, oak = detector.second, detector.oak
    for entries, code, status, words in (
        ([box(oak), box(oak, left=0.7)], "BadRequestImageRegions", 400, "received in regions[1] left=0.7,"),
        ([box(oak), box("oak")], "BadRequestInvalidIds", 400, "as regions[1].tagId, received 'oak'"),
        ([box(oak), box(UNKNOWN)], "NotFoundTag", 404, f"{UNKNOWN} here, which regions[1].tagId names"),
        ([box(oak, width="a")], "BadRequestInvalid", 400, "regions[0].width in the body"),
    ):
        assert words in refused(detector.draw(image, *entries), code, status)
    for image_id, tag_id, code, status, words in (
        (UNKNOWN, oak, "NotFoundImage", 404, f"{UNKNOWN} here, which tags[2].imageId names"),
        (image, UNKNOWN, "NotFoundTag", 404, f"{UNKNOWN} here, which tags[2].tagId names"),
        (image, "oak", "BadRequestInvalidIds", 400, "as tags[2].tagId, received 'oak'"),
    ):
        twice = (image, oak)
        assert words in refused(detector.tag(twice, twice, (image_id, tag_id)), code, status)


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        (entry(9, "oak"), "BadRequestInvalidIds", "as images[1].tagIds[0], received 'oak'"),
        (entry(9, regions=[box("oak")]), "BadRequestInvalidIds", "images[1].regions[0].tagId"),
        (entry(9, regions=[box(UNKNOWN, 0.7)]), "BadRequestImageRegions", "in images[1].regions[0] left=0.7"),
    ],
)
def test_refusals_of_uploads_name_the_entry(
    detector: LabelledProject, wrong: dict[str, Any], code: str, words: str
) -> None:
    answer = detector.client.post(f"{detector.path}/files", json={"images": [entry(8), wrong]})
    assert words in refused(answer, code)


def test_every_refused_image_has_its_reason(detector: LabelledProject, server: Server) -> None:
    set_limit(server, regions_per_image=1, metadata_pairs=1, images_per_project=3)
    sent = [
        entry(8, regions=[box(detector.oak), box(detector.oak, 0.2)]),
        entry(9, UNKNOWN),
        {"name": "none", "contents": ""},
        entry(10),
        entry(11),
    ]
    answer = detector.client.post(f"{detector.path}/files", json={"images": sent})
    assert statuses(answer.json()) == [
        "ErrorRegionLimitExceed", "ErrorInvalidTag", "ErrorImageFormat", "OK", "ErrorLimitExceed",
    ]  # fmt: skip
    said = answer.headers["dahlia-reasons"]
    for words in (
        "image 1: Expected at most 1 regions on an image, received one that would have 2.",
        f"image 2: Expected ids of tags of this project, received {UNKNOWN}.",
        "image 3: Expected an image, received an empty file",
        "image 5: Expected at most 3 images in a project",
    ):
        assert words in said


def test_the_reasons_of_tags(project: LabelledProject, server: Server) -> None:
    none = make_tag(project.client, {"id": project.id}, "none", type="Negative")["id"]
    set_limit(server, tags_per_image=1)
    sent = [entry(8, project.oak, project.pine), entry(9, project.oak, none)]
    answer = project.client.post(f"{project.path}/files", json={"images": sent})
    assert statuses(answer.json()) == ["ErrorTagLimitExceed", "ErrorNegativeAndRegularTagOnSameImage"]
    said = answer.headers["dahlia-reasons"]
    assert "image 1: Expected at most 1 tags on an image, received one that would have 2." in said
    assert "image 2: Expected the negative tag on images without other tags" in said
    assert upload(project.client, project.id, entry(8))["isBatchSuccessful"]
