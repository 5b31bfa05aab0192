from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from prediction_cases import (
    NOWHERE,
    SURE,
    add_iteration,
    asked,
    new_garden,
    picture,
    predict,
    tags_of,
    talking,
)
from server_rows import add_project
from sqlalchemy import insert
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow, PredictionRow, ScoreRow
from dahlia.server.predictions.rows import FLOOR

pytestmark = pytest.mark.both_databases

RED, GREEN = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
# Probabilities of red and green; how unsure; days ago; the application.
STORED: dict[str, tuple[float, float, float, float, str | None]] = {
    "a": (0.9, 0.1, 0.3, 5, "kiosk"),
    "b": (0.001, 0.999, 0.1, 4, None),
    "c": (0.5, 0.5, 0.9, 3, "kiosk"),
    "d": (0.4, 0.6, 0.9, 2, "till"),
    "e": (1.0, 0.0, 0.0, 1, None),
}


class Stored:
    """A project with predictions, called by letters."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.project = new_garden(server)
        self.iterations = [add_iteration(server, self.project, number, files=False) for number in (1, 2)]
        self.letters: dict[str, str] = {}
        for letter, facts in STORED.items():
            self.add(letter, *facts, iteration=self.iterations[letter == "d"])

    @property
    def path(self) -> str:
        return f"/projects/{self.project.id}/predictions/query"

    def add(
        self,
        letter: str,
        red: float = 0.5,
        green: float = 0.5,
        unsure: float = 0.5,
        days: float = 0,
        application: str | None = None,
        iteration: IterationRow | None = None,
    ) -> None:
        identity = new_id()
        row = {
            "id": identity, "project_key": self.project.key,
            "iteration_key": (iteration or self.iterations[0]).key, "image_key": None,
            "domain_id": self.project.domain_id, "sha256": "ab" * 32, "suffix": ".jpg", "width": 2000,
            "height": 1000, "size": 1, "application": application,
            "created": self.server.now() - timedelta(days=days),
            "predictions": [
                {"probability": red, "tagId": RED, "tagName": "red", "tagType": "Regular"},
                {"probability": green, "tagId": GREEN, "tagName": "green", "tagType": "Regular"},
            ],
            "uncertainty": unsure,
        }  # fmt: skip
        with self.server.database.write() as session:
            key = session.scalars(insert(PredictionRow).returning(PredictionRow.key), [row]).one()
            for tag, probability in ((RED, red), (GREEN, green)):
                if probability >= FLOOR:
                    session.add(ScoreRow(prediction_key=key, tag_id=tag, probability=probability))
        self.letters[identity] = letter

    def ask(self, client: TestClient, **query: Any) -> tuple[str, dict[str, Any]]:
        """The letters of the results, and the token."""
        answer = client.post(self.path, json=query)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        return "".join(self.letters[one["id"]] for one in said["results"]), said["token"]

    def pages(self, client: TestClient, **query: Any) -> list[str]:
        pages, token = [], query
        while True:
            letters, token = self.ask(client, **token)
            pages.append(letters)
            if token["continuation"] is None:
                return pages


@pytest.fixture
def stored(server: Server) -> Stored:
    return Stored(server)


def bounds(tag: str, least: float | None = None, most: float | None = None) -> dict[str, Any]:
    return {"id": tag, "minThreshold": least, "maxThreshold": most}


FINDS: list[tuple[dict[str, Any], str]] = [
    ({}, "edcba"),
    ({"orderBy": "Oldest"}, "abcde"),
    ({"orderBy": "Suggested"}, "dcabe"),
    ({"maxCount": 0}, "edcba"),
    ({"application": "kiosk"}, "ca"),
    ({"application": "none"}, ""),
    ({"tags": [bounds(RED, 0.5)]}, "eca"),
    ({"tags": [bounds(RED, 0.5, 0.9)]}, "ca"),
    ({"tags": [bounds(RED, 0.0)]}, "edcba"),
    ({"tags": [bounds(RED)]}, "edcba"),
    ({"tags": [bounds(RED, None, 0.4)]}, "db"),
    ({"tags": [bounds(RED, 0.0, 0.005)]}, "b"),
    ({"tags": [bounds(RED, 0.3), bounds(GREEN, 0.6)]}, "d"),
    ({"tags": [bounds(RED.upper(), 1.0)]}, "e"),
    ({"tags": [bounds(NOWHERE, 0.5)]}, ""),
    ({"TAGS": None, "unknown": 1}, "edcba"),
]


def test_what_is_found(client: TestClient, stored: Stored) -> None:
    for query, found in FINDS:
        assert stored.ask(client, **query)[0] == found, query


def test_of_an_iteration(client: TestClient, stored: Stored) -> None:
    for iteration, found in zip(stored.iterations, ("ecba", "d"), strict=True):
        assert stored.ask(client, iterationId=iteration.id.upper())[0] == found


@pytest.mark.parametrize("zone", ["Z", ""])
def test_of_a_time(client: TestClient, stored: Stored, zone: str) -> None:
    def text(days: float | None) -> str | None:
        if days is None:
            return None
        return f"{stored.server.now() - timedelta(days=days):%Y-%m-%dT%H:%M:%S.%f}{zone}"

    for start, end, found in ((3.5, None, "edc"), (None, 3.5, "ba"), (4.5, 1.5, "dcb"), (1.5, 4.5, "")):
        assert stored.ask(client, startTime=text(start), endTime=text(end))[0] == found, (start, end)


PAGES: list[tuple[dict[str, Any], list[str]]] = [
    ({"maxCount": 2}, ["ed", "cb", "a"]),
    ({"maxCount": 2, "orderBy": "Oldest"}, ["ab", "cd", "e"]),
    ({"maxCount": 1, "orderBy": "Suggested"}, list("dcabe")),
    ({"maxCount": 5}, ["edcba"]),
    ({"maxCount": 2, "tags": [bounds(RED, 0.4)]}, ["ed", "ca"]),
]


def test_pages(client: TestClient, stored: Stored) -> None:
    for query, pages in PAGES:
        assert stored.pages(client, **query) == pages, query


def test_pages_stay_while_predictions_come_and_the_server_restarts(
    server: Server, key: str, stored: Stored
) -> None:
    orders = {"Newest": "ed cb a", "Oldest": "ab cd e", "Suggested": "dc ab e"}
    tokens: dict[str, dict[str, Any]] = {order: {"maxCount": 2, "orderBy": order} for order in orders}
    pages: dict[str, list[str]] = {order: [] for order in orders}
    for number in range(3):
        with talking(server, key) as client:
            for order in orders:
                letters, tokens[order] = stored.ask(client, **tokens[order])
                pages[order].append(letters)
            stored.add(str(number), unsure=0.2 + number / 2)
    assert {order: " ".join(letters) for order, letters in pages.items()} == orders
    assert {token["continuation"] for token in tokens.values()} == {None}


def test_keys_that_were_deleted_are_not_given_again(server: Server, key: str, stored: Stored) -> None:
    with talking(server, key) as client:
        letters, token = stored.ask(client, maxCount=2)
        assert letters == "ed"
        ids = {letter: identity for identity, letter in stored.letters.items()}
        gone = client.delete(
            f"/projects/{stored.project.id}/predictions", params={"ids": ids["e"] + "," + ids["d"]}
        )
        assert gone.status_code == 204
        stored.add("f")
        assert stored.ask(client, **token)[0] == "cb"


def test_the_token_repeats_the_query(client: TestClient, stored: Stored) -> None:
    query = {
        "maxCount": 1,
        "orderBy": "Oldest",
        "tags": [bounds(RED, 0.25)],
        "iterationId": stored.iterations[0].id,
        "startTime": "2020-01-02T03:04:05.5Z",
        "endTime": "2120-01-02T03:04:05Z",
        "application": "kiosk",
    }
    token = stored.ask(client, **query)[1]
    assert {name: token[name] for name in query} == query
    assert token["session"].startswith("2:")
    assert token["continuation"]
    bare = stored.ask(client)[1]
    del bare["session"]
    assert bare == {
        "continuation": None, "maxCount": 0, "orderBy": "Newest", "tags": [], "iterationId": None,
        "startTime": None, "endTime": None, "application": None,
    }  # fmt: skip


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"session": "rose"}, "BadRequestPredictionInvalidQueryParameters"),
    ({"session": "2:" + 30 * "9"}, "BadRequestPredictionInvalidQueryParameters"),
    ({"continuation": "n:1:0.5"}, "BadRequestPredictionInvalidQueryParameters"),
    ({"session": "2:9", "continuation": "n:10:0.5"}, "BadRequestPredictionInvalidQueryParameters"),
    ({"session": "2:9", "continuation": "o:1:0.5"}, "BadRequestPredictionInvalidQueryParameters"),
    ({"session": "2:9", "continuation": "n:1:nan"}, "BadRequestPredictionInvalidQueryParameters"),
    ({"session": "2:9", "continuation": "n:1:2.5"}, "BadRequestPredictionInvalidQueryParameters"),
    ({"session": "2:9", "continuation": "' OR 1=1"}, "BadRequestPredictionInvalidQueryParameters"),
    ({"maxCount": -1}, "BadRequestPredictionInvalidQueryParameters"),
    ({"maxCount": 257}, "BadRequestPredictionResultsExceededCount"),
    ({"maxCount": 10**30}, "BadRequestPredictionResultsExceededCount"),
    ({"tags": [bounds(RED)] * 3}, "BadRequestPredictionTagsExceededCount"),
    ({"tags": [bounds(RED, 0.5, 0.4)]}, "BadRequestPredictionInvalidQueryParameters"),
    ({"tags": [bounds(RED, -0.5)]}, "BadRequestPredictionInvalidQueryParameters"),
    ({"tags": [bounds("rose", 0.5)]}, "BadRequestInvalidIds"),
    ({"iterationId": NOWHERE}, "NotFoundIteration"),
    ({"iterationId": "rose"}, "BadRequestInvalidIds"),
    ({"application": "a\0b"}, "BadRequestPredictionInvalidApplicationName"),
    ({"startTime": "0001-01-01T00:00:00+14:00"}, "BadRequestPredictionInvalidQueryParameters"),
    ({"startTime": "yesterday"}, "BadRequestInvalid"),
    ({"orderBy": "Best"}, "BadRequestInvalid"),
]


def test_queries_that_cannot_be_answered(client: TestClient, stored: Stored) -> None:
    for query, code in REFUSALS:
        answer = client.post(stored.path, json=query)
        assert answer.json()["code"] == code, query
        assert answer.status_code == (404 if code.startswith("NotFound") else 400)


def test_other_projects_see_none_of_it(client: TestClient, server: Server, stored: Stored) -> None:
    other = add_project(server)
    answer = client.post(f"/projects/{other.id}/predictions/query", json={})
    assert answer.json()["results"] == []
    assert client.post(f"/projects/{NOWHERE}/predictions/query", json={}).status_code == 404


def test_a_result_on_the_wire(client: TestClient, server: Server) -> None:
    project = new_garden(server)
    iteration = add_iteration(server, project)
    with server.database.write() as session:
        session.get_one(IterationRow, iteration.key).publish_name = "live"
    server.published_changed()
    answer = client.post(asked(project), content=picture(SURE)).json()
    (result,) = client.post(f"/projects/{project.id}/predictions/query", json={}).json()["results"]
    links = {name: result.pop(name) for name in ("resizedImageUri", "thumbnailUri", "originalImageUri")}
    tags = tags_of(server, project)
    assert result == answer | {"domain": project.domain_id}
    assert (result["iteration"], result["predictions"][0]["tagId"]) == (iteration.id, tags["red"])
    assert links["resizedImageUri"] == links["originalImageUri"]
    assert client.get(links["originalImageUri"]).content == picture(SURE)
    assert client.get(links["thumbnailUri"]).headers["content-type"] == "image/jpeg"


def test_what_was_answered_is_found_at_once(client: TestClient, server: Server) -> None:
    project: ProjectRow = new_garden(server)
    add_iteration(server, project, publish_name="live")
    server.published_changed()
    expected = [predict(client, project) for _ in range(5)]
    client.post(asked(project, end="image/nostore"), content=picture())
    found = client.post(f"/projects/{project.id}/predictions/query", json={"orderBy": "Oldest"}).json()[
        "results"
    ]
    assert [one["id"] for one in found] == expected
