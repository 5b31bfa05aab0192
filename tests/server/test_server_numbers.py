"""Numbers in bodies are numbers, and of a name that an object has twice the last value counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from image_cases import entry
from project_cases import add_image, domain_id, make_project, make_tag, refused
from starlette.testclient import TestClient

from dahlia.server.contract.bodies import ImageRegionEntry, PredictionQuery
from dahlia.server.contract.enums import DomainType
from dahlia.server.http.requests import fitted

BOX = {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4}
WRONG: list[Any] = ["0.1", "", "much", True, False, None, [0.1], {"value": 0.1}]


@pytest.fixture
def project(client: TestClient) -> dict[str, Any]:
    """A detection project with a tag; `tag` is its id."""
    project = make_project(client, domainId=domain_id("General", DomainType.DETECTION))
    return project | {"tag": make_tag(client, project, "pine")["id"]}


@pytest.mark.parametrize("value", WRONG)
def test_a_region_has_numbers(client: TestClient, server: Any, project: dict[str, Any], value: Any) -> None:
    image = add_image(server, project["id"], project["tag"])
    path = f"/projects/{project['id']}/images/regions"
    for name in BOX:
        region = {"imageId": image, "tagId": project["tag"], **BOX, name: value}
        said = refused(client.post(path, json={"regions": [region]}), "BadRequestInvalid")
        assert f"regions[0].{name} in the body to be a number" in said, said
    whole = {"imageId": image, "tagId": project["tag"], **BOX, "left": 0, "top": 0, "width": 1, "height": 1}
    assert client.post(path, json={"regions": [whole]}).status_code == 200


@pytest.mark.parametrize("value", WRONG)
def test_a_region_of_an_upload_has_numbers(client: TestClient, project: dict[str, Any], value: Any) -> None:
    regions = [{"tagId": project["tag"], **BOX}, {"tagId": project["tag"], **BOX, "width": value}]
    body = {"images": [entry(1, regions=regions)]}
    said = refused(client.post(f"/projects/{project['id']}/images/files", json=body), "BadRequestInvalid")
    assert "images[0].regions[1].width in the body to be a number" in said


def test_queries_have_numbers(client: TestClient, project: dict[str, Any]) -> None:
    path = f"/projects/{project['id']}/predictions/query"
    for body, expected in (
        ({"maxCount": "5"}, "maxCount in the body to be a whole number"),
        ({"maxCount": True}, "maxCount in the body to be a whole number"),
        ({"maxCount": 5.5}, "maxCount in the body to be a whole number"),
        (
            {"tags": [{"id": project["tag"], "minThreshold": "0.5"}]},
            "minThreshold in the body to be a number",
        ),
    ):
        assert expected in refused(client.post(path, json=body), "BadRequestInvalid")
    for body in ({"maxCount": 5}, {"maxCount": 5.0}, {"maxCount": None}):
        assert client.post(path, json=body).status_code == 200


def test_xml_and_forms_have_texts_alone() -> None:
    region = {"imageId": "a", "tagId": "b", "left": "0", "top": ".5", "width": "1e-1", "height": "0.25"}
    found = fitted(ImageRegionEntry, region)
    read = ImageRegionEntry.model_validate(found)
    assert (read.left, read.top, read.width, read.height) == (0, 0.5, 0.1, 0.25)
    assert PredictionQuery.model_validate(fitted(PredictionQuery, {"maxCount": ""})).max_count is None
    for text in ("much", "nan", "inf", "1e999", "9" * 5000, "9" * 400):
        assert fitted(ImageRegionEntry, {"left": text}) == {"left": text}


def test_the_last_of_two_values_counts(client: TestClient, server: Any, project: dict[str, Any]) -> None:
    """As every common JSON library has it: in small bodies, in uploads, and in loosely written JSON."""
    image = add_image(server, project["id"], project["tag"])
    region = {"imageId": image, "tagId": project["tag"], **BOX}
    doubled = json.dumps({"regions": [region]}).replace('"left": 0.1', '"left": "x", "left": 0.15')
    path = f"/projects/{project['id']}/images/regions"
    for body, left in ((doubled, 0.15), (doubled.replace('"', "'").replace("0.15", "0.16"), 0.16)):
        answer = client.post(path, content=body, headers={"content-type": "application/json"})
        assert [one["left"] for one in answer.json()["created"]] == [left], answer.text
    upload = {"images": [entry(1, regions=[{"tagId": project["tag"], **BOX}])]}
    body = json.dumps(upload).replace('"left": 0.1', '"left": 0.7, "left": 0.17')
    created = client.post(f"/projects/{project['id']}/images/files", content=body).json()["images"]
    assert created[0]["image"]["regions"][0]["left"] == 0.17
    spelled = json.dumps({"regions": [region | {"Left": 0.3}]})
    said = refused(client.post(path, content=spelled), "BadRequestInvalid")
    assert "each name once" in said
