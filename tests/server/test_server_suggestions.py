from __future__ import annotations

from typing import Any

import pytest
from prediction_cases import GREY, NOWHERE, SURE, Colour, add_iteration, new_garden, picture, tags_of
from server_rows import add_image
from sqlalchemy import delete, func, select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import PredictionRow, ScoreRow
from dahlia.server.predictions.uncertainty import uncertainty

pytestmark = pytest.mark.both_databases

REDDISH = (200, 60, 60)


class Garden:
    """A project with a trained iteration and images without tags."""

    def __init__(self, server: Server, client: TestClient) -> None:
        self.server = server
        self.client = client
        self.project = new_garden(server)
        self.iteration = add_iteration(server, self.project)
        self.tags = tags_of(server, self.project)

    def add(self, *colours: Colour) -> list[str]:
        sizes = ((64 + 2 * number, 48) for number in range(100))
        return [self._add(colour, size) for colour, size in zip(colours, sizes, strict=False)]

    def _add(self, colour: Colour, size: tuple[int, int]) -> str:
        image = add_image(self.server, self.project, picture(colour, size, "JPEG"))
        return image.id

    def suggest(self, *ids: str, iteration: str | None = None) -> Any:
        params = {"iterationId": iteration or self.iteration.id, "imageIds": ",".join(ids)}
        return self.client.post(f"/projects/{self.project.id}/tagsandregions/suggestions", params=params)

    def query(self, **body: Any) -> Any:
        params = {"iterationId": self.iteration.id}
        return self.client.post(f"/projects/{self.project.id}/images/suggested", params=params, json=body)

    def found(self, **body: Any) -> list[str]:
        answer = self.query(**body)
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["results"]]

    def count(self, *tags: str, threshold: float | None = None) -> dict[str, int]:
        params = {"iterationId": self.iteration.id}
        body = {"tagIds": [self.tags.get(tag, tag) for tag in tags], "threshold": threshold}
        path = f"/projects/{self.project.id}/images/suggested/count"
        answer = self.client.post(path, params=params, json=body)
        assert answer.status_code == 200, answer.text
        said: dict[str, int] = answer.json()
        return {name: said[self.tags.get(name, name)] for name in tags}

    def change(self, identity: str, **values: Any) -> None:
        with self.server.database.write() as session:
            image = session.scalars(select(ImageRow).where(ImageRow.id == identity)).one()
            for name, value in values.items():
                setattr(image, name, value)


@pytest.fixture
def garden(server: Server, client: TestClient) -> Garden:
    return Garden(server, client)


def test_suggestions_in_the_order_of_the_images(garden: Garden) -> None:
    ids = garden.add(GREY, SURE, REDDISH)
    answer = garden.suggest(ids[2], ids[0].upper(), ids[1], ids[0])
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert [one["id"] for one in said] == [ids[2], ids[0], ids[1]]
    for one in said:
        assert (one["project"], one["iteration"]) == (garden.project.id, garden.iteration.id)
        assert one["created"].endswith("Z")
        shares = [prediction["probability"] for prediction in one["predictions"]]
        assert shares == sorted(shares, reverse=True)
        assert one["predictionUncertainty"] == pytest.approx(uncertainty(shares, "multiclass"))
        assert set(one["predictions"][0]) == {"probability", "tagId", "tagName", "tagType"}


def test_what_is_suggested_is_found(garden: Garden) -> None:
    grey, sure, reddish = garden.add(GREY, SURE, REDDISH)
    assert garden.found() == []
    said = {one["id"]: one for one in garden.suggest(grey, sure, reddish).json()}
    assert garden.found() == [sure, reddish, grey]
    assert garden.found(sortBy="UncertaintyDescending") == [grey, reddish, sure]
    result = garden.query().json()["results"][0]
    assert {name: result[name] for name in said[sure]} == said[sure]
    assert (result["width"], result["height"], result["domain"]) == (640, 480, garden.project.domain_id)
    assert garden.client.get(result["originalImageUri"]).content == picture(SURE, (66, 48), "JPEG")


def test_filters_and_counts(garden: Garden) -> None:
    grey, sure, reddish = garden.add(GREY, SURE, REDDISH)
    shares = {
        one["id"]: {two["tagName"]: two["probability"] for two in one["predictions"]}
        for one in garden.suggest(grey, sure, reddish).json()
    }
    between = (shares[sure]["red"] + shares[reddish]["red"]) / 2
    rarely = shares[grey]["green"]
    red, green = garden.tags["red"], garden.tags["green"]
    assert garden.found(tagIds=[red], threshold=between) == [sure]
    assert garden.found(tagIds=[red.upper()], threshold=0) == [sure, reddish, grey]
    assert garden.found(tagIds=[green], threshold=rarely) == [grey]
    assert garden.found(tagIds=[green, red], threshold=between) == [sure]
    assert garden.found(threshold=between) == [sure]
    assert garden.found(tagIds=[NOWHERE], threshold=0.5) == []
    assert garden.count("red", "green", NOWHERE, threshold=rarely) == {"red": 3, "green": 1, NOWHERE: 0}
    assert garden.count("red", threshold=between) == {"red": 1}
    assert garden.count("red", "blue") == {"red": 3, "blue": 3}
    assert garden.count() == {}


def test_pages_go_on_after_others_are_suggested(garden: Garden) -> None:
    ids = garden.add(GREY, SURE, REDDISH)
    garden.suggest(*ids)
    first = garden.query(maxCount=2).json()
    assert [one["id"] for one in first["results"]] == [ids[1], ids[2]]
    assert first["token"]["maxCount"] == 2
    (more,) = garden.add((250, 5, 5))
    garden.suggest(more)
    second = garden.query(**first["token"]).json()
    assert [one["id"] for one in second["results"]] == [ids[0]]
    assert second["token"]["continuation"] is None
    assert set(garden.found()) == {*ids, more}


def test_images_that_got_a_tag_or_went_are_left_out(garden: Garden) -> None:
    ids = garden.add(GREY, SURE, REDDISH)
    garden.suggest(*ids)
    garden.change(ids[1], tagged=True)
    garden.change(ids[2], removed=1)
    assert garden.found() == [ids[0]]
    assert garden.count("red") == {"red": 1}
    with garden.server.database.write() as session:
        session.execute(delete(ImageRow))
    assert garden.found() == []


def test_a_second_suggestion_takes_the_place_of_the_first(garden: Garden) -> None:
    ids = garden.add(GREY, SURE)
    other = add_iteration(garden.server, garden.project, 2, favourite=1)
    for iteration in (None, None, other.id):
        garden.suggest(*ids, iteration=iteration)
    with garden.server.database.read() as session:
        assert session.scalar(select(func.count()).select_from(PredictionRow)) == 4
        assert len(session.scalars(select(ScoreRow.prediction_key).distinct()).all()) == 4
    assert len(garden.found()) == 2
    stored = garden.client.post(f"/projects/{garden.project.id}/predictions/query", json={}).json()["results"]
    assert stored == []


def test_a_whole_batch(garden: Garden) -> None:
    ids = garden.add(*[GREY] * 64)
    assert [one["id"] for one in garden.suggest(*ids).json()] == ids
    pages, token = [], {"maxCount": 20}
    while token.get("continuation", "") is not None:
        said = garden.query(**token).json()
        pages.append(len(said["results"]))
        token = said["token"]
    assert pages == [20, 20, 20, 4]


def test_images_and_iterations_that_are_refused(garden: Garden) -> None:
    tagged, gone, broken = garden.add(GREY, SURE, REDDISH)
    garden.change(tagged, tagged=True)
    garden.change(gone, removed=1)
    garden.change(broken, sha256="ab" * 32)
    waiting = add_iteration(garden.server, garden.project, 2, status="Training", files=False)
    other = new_garden(garden.server)
    foreign = add_image(garden.server, other, picture()).id
    refusals: list[tuple[list[str], str | None, int, str]] = [
        ([tagged], None, 400, "BadRequestInvalidIds"),
        ([gone], None, 404, "NotFoundImage"),
        ([broken], None, 404, "NotFoundImage"),
        ([foreign], None, 404, "NotFoundImage"),
        (["rose"], None, 400, "BadRequestInvalidIds"),
        ([], None, 400, "BadRequestInvalidIds"),
        ([new_id() for _ in range(65)], None, 400, "BadRequestExceededBatchSize"),
        ([foreign], NOWHERE, 404, "NotFoundIteration"),
        ([foreign], waiting.id, 400, "BadRequestIterationIsNotTrained"),
    ]
    for ids, iteration, status, code in refusals:
        answer = garden.suggest(*ids, iteration=iteration)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert garden.found() == []


def test_an_image_that_the_model_cannot_read(garden: Garden) -> None:
    broken = add_image(garden.server, garden.project, b"no image").id
    answer = garden.suggest(broken)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestImageFormat")
    assert broken in answer.json()["message"]


def test_queries_that_cannot_be_answered(garden: Garden) -> None:
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"session": "rose"}, "BadRequestPredictionInvalidQueryParameters"),
        ({"threshold": 1.5}, "BadRequestPredictionInvalidQueryParameters"),
        ({"maxCount": 1000}, "BadRequestPredictionResultsExceededCount"),
        ({"tagIds": ["rose"]}, "BadRequestInvalidIds"),
        ({"sortBy": "Rose"}, "BadRequestInvalid"),
    ]
    for body, code in refusals:
        answer = garden.query(**body)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
