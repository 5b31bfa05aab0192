from __future__ import annotations

from typing import Any

import pytest
from image_cases import box, entry, tag_names, uploaded
from project_cases import UNKNOWN, domain_id, make_project, make_tag, refused, set_limit, train
from sqlalchemy import event
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.contract.enums import DomainType

pytestmark = pytest.mark.both_databases


class Garden:
    """A project: pine has 1 and 2, oak has 2 and 3, nobody has 4."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        project = make_project(client, classificationType="Multilabel")
        self.path = f"/projects/{project['id']}"
        self.id = project["id"]
        self.pine, self.oak = (make_tag(client, project, name)["id"] for name in ("pine", "oak"))
        self.images = [
            uploaded(client, self.id, entry(number, *tags), metadata={"number": str(number)})[0]
            for number, tags in enumerate([[self.pine], [self.pine, self.oak], [self.oak], []], start=1)
        ]

    def numbers(self, kind: str = "", **query: Any) -> list[int]:
        answer = self.client.get(f"{self.path}/images{kind}", params=query)
        assert answer.status_code == 200, answer.text
        return [self.images.index(image["id"]) + 1 for image in answer.json()]

    def count(self, kind: str = "", **query: Any) -> int:
        answer = self.client.get(f"{self.path}/images{kind}/count", params=query)
        assert answer.status_code == 200, answer.text
        number: int = answer.json()
        return number


@pytest.fixture
def garden(client: TestClient) -> Garden:
    return Garden(client)


def test_pages(garden: Garden) -> None:
    both = f"{garden.pine},{garden.oak}"
    cases: list[tuple[str, dict[str, Any], list[int]]] = [
        ("", {}, [4, 3, 2, 1]),
        ("", {"orderBy": "oldest"}, [1, 2, 3, 4]),
        ("", {"orderBy": ""}, [4, 3, 2, 1]),
        ("", {"take": 2, "skip": 1}, [3, 2]),
        ("", {"take": 0}, []),
        ("", {"skip": 2**31 - 1}, []),
        ("", {"taggingStatus": "tagged"}, [3, 2, 1]),
        ("", {"taggingStatus": "Untagged"}, [4]),
        ("", {"tagIds": garden.pine}, [2, 1]),
        ("", {"tagIds": both, "orderBy": "Oldest", "take": 2}, [1, 2]),
        ("", {"tagIds": UNKNOWN}, []),
        ("", {"tagIds": both, "taggingStatus": "Untagged"}, []),
        ("", {"$filter": "metadata=number eq '2' or number eq '4'"}, [4, 2]),
        ("", {"$filter": "number ne '2'", "tagIds": both}, [3, 1]),
        ("/tagged", {}, [3, 2, 1]),
        ("/tagged", {"tagIds": garden.oak}, [3, 2]),
        ("/untagged", {"orderBy": "Oldest"}, [4]),
    ]
    for kind, query, expected in cases:
        assert garden.numbers(kind, **query) == expected, (kind, query)


def test_counts(garden: Garden) -> None:
    both = f"{garden.pine},{garden.oak}"
    cases: list[tuple[str, dict[str, Any], int]] = [
        ("", {}, 4),
        ("", {"taggingStatus": "Tagged"}, 3),
        ("", {"taggingStatus": "Untagged"}, 1),
        ("", {"tagIds": both}, 3),
        ("", {"tagIds": both, "taggingStatus": "Untagged"}, 0),
        ("", {"tagIds": UNKNOWN}, 0),
        ("", {"tagIds": both, "$filter": "number eq '2'"}, 1),
        ("/tagged", {}, 3),
        ("/tagged", {"tagIds": garden.pine}, 2),
        ("/untagged", {}, 1),
    ]
    for kind, query, expected in cases:
        assert garden.count(kind, **query) == expected, (kind, query)


def test_an_iteration_sees_what_it_was_trained_on(garden: Garden, server: Server) -> None:
    iteration = train(server, garden.id)
    client, path = garden.client, garden.path
    query = {"imageIds": garden.images[1], "tagIds": garden.oak}
    assert client.delete(f"{path}/images/tags", params=query).status_code == 204
    client.delete(f"{path}/images", params={"imageIds": garden.images[0]})
    client.post(f"{path}/images/tags", json={"tags": [{"imageId": garden.images[3], "tagId": garden.pine}]})
    garden.images += uploaded(client, garden.id, entry(5, garden.oak))
    then = {"iterationId": iteration}
    cases: list[tuple[str, dict[str, Any], list[int], list[int]]] = [
        ("", {}, [5, 4, 3, 2], [4, 3, 2, 1]),
        ("", {"tagIds": garden.oak}, [5, 3], [3, 2]),
        ("", {"tagIds": garden.pine}, [4, 2], [2, 1]),
        ("/tagged", {}, [5, 4, 3, 2], [3, 2, 1]),
        ("/untagged", {}, [], [4]),
        ("", {"$filter": "number eq '1'"}, [], [1]),
    ]
    for kind, query, now, before in cases:
        assert garden.numbers(kind, **query) == now, (kind, query)
        assert garden.numbers(kind, **query, **then) == before, (kind, query)
        assert garden.count(kind, **query) == len(now)
        assert garden.count(kind, **query, **then) == len(before)
    ids = ",".join(garden.images)
    assert garden.numbers("/id", imageIds=ids) == [2, 3, 4, 5]
    assert garden.numbers("/id", imageIds=ids, **then) == [1, 2, 3, 4]
    second = client.get(f"{path}/images/id", params={"imageIds": garden.images[1]}).json()[0]
    assert tag_names(second) == ["pine"]
    second = client.get(f"{path}/images/id", params={"imageIds": garden.images[1], **then}).json()[0]
    assert tag_names(second) == ["pine", "oak"]


def test_images_by_ids_come_in_their_order(garden: Garden) -> None:
    one, two, *_ = garden.images
    assert garden.numbers("/id", imageIds=f"{two},{UNKNOWN},{one},{two}") == [2, 1]
    assert garden.numbers("/id") == []


def test_an_image_in_full(client: TestClient) -> None:
    detection = domain_id("General", DomainType.DETECTION)
    project = make_project(client, domainId=detection)
    tag = make_tag(client, project, "pine")["id"]
    (image,) = uploaded(client, project["id"], entry(1, regions=[box(tag)]), metadata={"shelf": "3"})
    (found,) = client.get(f"/projects/{project['id']}/images").json()
    assert set(found) == {
        "id", "created", "width", "height", "resizedImageUri", "thumbnailUri", "originalImageUri", "tags",
        "regions", "metadata",
    }  # fmt: skip
    assert (found["id"], found["metadata"], found["width"], found["height"]) == (
        image,
        {"shelf": "3"},
        32,
        24,
    )
    assert set(found["tags"][0]) == {"tagId", "tagName", "created"}
    assert set(found["regions"][0]) == {
        "regionId", "tagName", "created", "tagId", "left", "top", "width", "height",
    }  # fmt: skip
    assert client.get(found["thumbnailUri"]).status_code == 200


def test_a_page_takes_few_queries(garden: Garden, server: Server) -> None:
    asked: list[str] = []
    event.listen(server.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    garden.numbers(tagIds=garden.pine, take=1)
    few = len(asked)
    asked.clear()
    garden.numbers(tagIds=f"{garden.pine},{garden.oak}")
    assert len(asked) == few


def test_refused_queries(garden: Garden, server: Server) -> None:
    set_limit(server, batch_tags=1, read_ids=1)
    two = f"{garden.pine},{garden.oak}"
    cases: list[tuple[str, dict[str, Any], str, int]] = [
        ("", {"take": 257}, "BadRequestExceededBatchSize", 400),
        ("", {"take": -1}, "BadRequestInvalid", 400),
        ("", {"skip": -1}, "BadRequestInvalid", 400),
        ("", {"skip": 2**31}, "BadRequestInvalid", 400),
        ("", {"orderBy": "Suggested"}, "BadRequestInvalid", 400),
        ("", {"taggingStatus": "some"}, "BadRequestInvalid", 400),
        ("", {"tagIds": two}, "BadRequestExceededBatchSize", 400),
        ("", {"tagIds": "pine"}, "BadRequestInvalidIds", 400),
        ("", {"$filter": "shelf"}, "BadRequestInvalid", 400),
        ("", {"iterationId": UNKNOWN}, "NotFoundIteration", 404),
        ("/count", {"iterationId": UNKNOWN}, "NotFoundIteration", 404),
        ("/id", {"imageIds": two}, "BadRequestExceededBatchSize", 400),
    ]
    for kind, query, code, status in cases:
        refused(garden.client.get(f"{garden.path}/images{kind}", params=query), code, status)
    assert garden.count("/tagged", tagIds=two) == 3
    refused(garden.client.get(f"/projects/{UNKNOWN}/images"), "NotFoundProject", 404)
