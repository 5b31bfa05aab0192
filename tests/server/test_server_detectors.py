"""A detector on the server: it answers, is stored with its boxes, and is quick-tested unpublished."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from detector_cases import BLACK, RED, Detecting, address
from prediction_cases import GREY, picture
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.work_tables import ScoreRow

pytestmark = pytest.mark.both_databases


@pytest.fixture
def detecting(server: Server, client: TestClient) -> Detecting:
    return Detecting(server, client)


def stored(detecting: Detecting, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = detecting.post("/predictions/query", json=query)["results"]
    return found


def test_its_answers_are_stored_with_boxes_and_the_best_score_of_each_tag(detecting: Detecting) -> None:
    detecting.publish()
    said = detecting.detect(GREY)["predictions"]
    assert [one["tagName"] for one in said] == ["red", "red", "green", "blue"]
    assert said[0]["boundingBox"]["width"] == pytest.approx(0.4, abs=1e-5)
    (found,) = stored(detecting)
    assert found["predictions"] == said
    with detecting.server.database.read() as session:
        scores = {row.tag_id: row.probability for row in session.scalars(select(ScoreRow))}
    assert scores == {detecting.tags[said[row]["tagName"]]: said[row]["probability"] for row in (0, 2, 3)}


def test_it_does_not_classify(detecting: Detecting) -> None:
    detecting.publish()
    answer = detecting.client.post(address(detecting.project, "classify"), content=picture(RED))
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestOperationNotSupported")


@pytest.mark.parametrize("keep", [True, False])
def test_a_quick_test_gives_boxes_and_keeps_them_or_not(detecting: Detecting, keep: bool) -> None:
    query = {"iterationId": detecting.iteration.id, "store": str(keep).lower()}
    said = detecting.post("/quicktest/image", params=query, content=picture(RED))
    assert [(one["tagName"], set(one["boundingBox"])) for one in said["predictions"]] == [
        ("red", {"left", "top", "width", "height"})
    ] * 2
    assert said["predictions"][0]["boundingBox"]["left"] == pytest.approx(0.05, abs=1e-5)
    assert [one["id"] for one in stored(detecting)] == [said["id"]] * keep


def test_a_quick_test_without_a_name_asks_the_iteration_that_was_trained_last(detecting: Detecting) -> None:
    said = detecting.post("/quicktest/image", params={"store": "false"}, content=picture(BLACK))
    assert (said["iteration"], said["predictions"]) == (detecting.iteration.id, [])


def test_a_tag_that_is_named_has_to_have_a_box_whose_best_is_within_the_bounds(detecting: Detecting) -> None:
    detecting.publish()
    red, grey, black = (detecting.detect(colour)["id"] for colour in (RED, GREY, BLACK))
    tags = detecting.tags

    def found(*bounds: tuple[str, float | None, float | None]) -> set[str]:
        asked = [
            {"id": tags[tag], "minThreshold": least, "maxThreshold": most} for tag, least, most in bounds
        ]
        return {one["id"] for one in stored(detecting, tags=asked)}

    assert found() == {red, grey, black}
    assert found(("red", None, None)) == {red, grey}
    assert found(("red", 0, 1)) == {red, grey}
    assert found(("green", 0, 1)) == {grey}
    assert found(("red", None, 0.5)) == {grey}  # one of the boxes in red has 0.4, its best has 0.9
    assert found(("red", 0.5, None)) == {red}
    assert found(("red", 0, None), ("blue", 0.3, 0.4)) == {grey}


def test_the_most_uncertain_is_suggested_first(detecting: Detecting) -> None:
    detecting.publish()
    red, grey, black = (detecting.detect(colour)["id"] for colour in (RED, GREY, BLACK))
    assert [one["id"] for one in stored(detecting, orderBy="Suggested")] == [grey, red, black]
    assert [one["id"] for one in stored(detecting, orderBy="Newest")] == [black, grey, red]


def test_they_become_training_images_with_regions_in_one_go(detecting: Detecting) -> None:
    detecting.publish()
    first, second = detecting.detect(RED), detecting.detect(GREY)
    regions = [
        {"tagId": one["tagId"], **one["boundingBox"]}
        for one in second["predictions"]
        if one["tagName"] == "red"
    ]
    drawn = {"tagId": detecting.tags["blue"], "left": 0.5, "top": 0.5, "width": 0.5, "height": 0.5}
    entries = [
        {"id": first["id"], "regions": [drawn]},
        {"id": second["id"], "regions": regions, "tagIds": [detecting.tags["green"]]},
    ]
    said = detecting.post("/images/predictions", json={"images": entries})
    assert [one["status"] for one in said["images"]] == ["OK", "OK"]
    assert [one["sourceUrl"] for one in said["images"]] == [first["id"], second["id"]]
    one, other = (each["image"] for each in said["images"])
    assert {one["id"], other["id"]} & {first["id"], second["id"]} == set()
    assert [region["tagName"] for region in one["regions"]] == ["blue"]
    assert {tag["tagName"] for tag in other["tags"]} == {"red", "green"}
    drawn_places, found_places = (sorted(map(place_of, some)) for some in (other["regions"], regions))
    assert np.array(drawn_places) == pytest.approx(np.array(found_places), abs=1e-6)
    assert stored(detecting) == []


def place_of(region: dict[str, Any]) -> list[float]:
    return [region[side] for side in ("left", "top", "width", "height")]


def too_many(tag: str, count: int = 301) -> list[dict[str, Any]]:
    return [
        {"tagId": tag, "left": 0.001 * number, "top": 0.1, "width": 0.5, "height": 0.5}
        for number in range(count)
    ]


def test_regions_that_are_refused_leave_the_prediction_where_it_is(detecting: Detecting) -> None:
    detecting.publish()
    kept, taken = detecting.detect(RED)["id"], detecting.detect(GREY)["id"]
    red = detecting.tags["red"]
    box = {"tagId": red, "left": 0.1, "top": 0.1, "width": 0.5, "height": 0.5}
    unknown = {**box, "tagId": kept}
    for regions, status in (([unknown], "ErrorInvalidTag"), (too_many(red), "ErrorRegionLimitExceed")):
        entries = [{"id": kept, "regions": regions}, {"id": taken, "regions": [box]}]
        said = detecting.post("/images/predictions", 207, json={"images": entries})
        assert said["isBatchSuccessful"] is False
        assert [one["status"] for one in said["images"]] in ([status, "OK"], [status, "ErrorSource"])
        assert [one["id"] for one in stored(detecting)] == [kept]
    for beyond in ({"left": 0.6}, {"top": -0.2}, {"width": 0}, {"height": 0.95}):
        entries = [{"id": kept, "regions": [{**box, **beyond}]}]
        said = detecting.post("/images/predictions", 400, json={"images": entries})
        assert said["code"] == "BadRequestImageRegions"
    many = [{"id": kept, "regions": [box]}] * 65
    said = detecting.post("/images/predictions", 400, json={"images": many})
    assert said["code"] == "BadRequestExceededBatchSize"
    assert [one["id"] for one in stored(detecting)] == [kept]
    entries = [{"id": kept, "regions": too_many(red, 300)}]
    (made,) = detecting.post("/images/predictions", json={"images": entries})["images"]
    assert (made["status"], len(made["image"]["regions"])) == ("OK", 300)
