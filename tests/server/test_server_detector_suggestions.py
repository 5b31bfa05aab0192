"""What a detector suggests for untagged images: boxes, sorted and filtered by the best of each tag."""

from __future__ import annotations

from typing import Any

import pytest
from detector_cases import BLACK, RED, Detecting
from prediction_cases import GREY, NOWHERE
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.predictions import suggestions
from dahlia.server.predictions.uncertainty import uncertainty

pytestmark = pytest.mark.both_databases

REDDISH = (150, 0, 0)  # red boxes of 0.54 and 0.24 and no others


class Suggesting(Detecting):
    """Four untagged photos and what is suggested for them, by colour."""

    def __init__(self, server: Server, client: TestClient) -> None:
        super().__init__(server, client)
        self.query = {"iterationId": self.iteration.id}
        self.ids = dict(zip(COLOURS, self.add(*COLOURS.values()), strict=True))
        asked = self.query | {"imageIds": ",".join(self.ids.values())}
        self.said = dict(zip(COLOURS, self.post("/tagsandregions/suggestions", params=asked), strict=True))

    def found(self, **body: Any) -> list[str]:
        """The colours of a page, in its order."""
        names = {identity: colour for colour, identity in self.ids.items()}
        said = self.post("/images/suggested", params=self.query, json=self._spelled(body))
        return [names[one["id"]] for one in said["results"]]

    def count(self, *tags: str, threshold: float | None = None) -> dict[str, int]:
        body = self._spelled({"tagIds": list(tags), "threshold": threshold})
        said = self.post("/images/suggested/count", params=self.query, json=body)
        return {tag: said[self.tags.get(tag, tag)] for tag in tags}

    def best(self, colour: str, tag: str) -> float:
        return max(one["probability"] for one in self.said[colour]["predictions"] if one["tagName"] == tag)

    def _spelled(self, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"tagIds": [self.tags.get(tag, tag) for tag in body.get("tagIds", [])]}


COLOURS = {"red": RED, "grey": GREY, "black": BLACK, "reddish": REDDISH}


@pytest.fixture
def suggesting(server: Server, client: TestClient) -> Suggesting:
    return Suggesting(server, client)


def test_suggestions_have_boxes_and_say_how_unsure_they_are(suggesting: Suggesting) -> None:
    for colour, said in suggesting.said.items():
        assert said["id"] == suggesting.ids[colour]
        scores = [one["probability"] for one in said["predictions"]]
        assert said["predictionUncertainty"] == pytest.approx(uncertainty(scores, "detection"))
        for one in said["predictions"]:
            assert set(one) == {"probability", "tagId", "tagName", "tagType", "boundingBox"}
            assert set(one["boundingBox"]) == {"left", "top", "width", "height"}
    assert [one["tagName"] for one in suggesting.said["grey"]["predictions"]] == [
        "red",
        "red",
        "green",
        "blue",
    ]
    assert suggesting.said["black"]["predictions"] == []
    assert suggesting.said["black"]["predictionUncertainty"] == 0


def test_what_is_suggested_is_found_as_it_was_said(suggesting: Suggesting) -> None:
    said = suggesting.post("/images/suggested", params=suggesting.query, json={"tagIds": []})
    for result in said["results"]:
        (colour,) = (name for name, identity in suggesting.ids.items() if identity == result["id"])
        assert {name: result[name] for name in suggesting.said[colour]} == suggesting.said[colour]
    by_doubt = sorted(COLOURS, key=lambda colour: suggesting.said[colour]["predictionUncertainty"])
    assert suggesting.found() == by_doubt
    assert suggesting.found(sortBy="UncertaintyDescending") == by_doubt[::-1]


def test_tags_are_those_of_boxes_and_the_best_counts(suggesting: Suggesting) -> None:
    assert set(suggesting.found(tagIds=["red"])) == {"red", "grey", "reddish"}
    assert suggesting.found(tagIds=["green"], threshold=0) == ["grey"]
    assert set(suggesting.found(tagIds=["red", "blue"], threshold=0.5)) == {"red", "reddish"}
    between = (suggesting.best("reddish", "red") + suggesting.best("red", "red")) / 2
    assert suggesting.found(tagIds=["red"], threshold=between) == ["red"]
    assert suggesting.found(threshold=between) == ["red"]
    assert suggesting.found(tagIds=[NOWHERE]) == []
    assert suggesting.count("red", "green", NOWHERE) == {"red": 3, "green": 1, NOWHERE: 0}
    assert suggesting.count("red", "green", threshold=between) == {"red": 1, "green": 0}
    exactly = suggesting.best("reddish", "red")
    assert suggesting.count("red", threshold=exactly) == {"red": 2}


def test_many_tags_are_counted_as_few_are(suggesting: Suggesting, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = "red", "green", NOWHERE
    few = [suggesting.count(*asked, threshold=threshold) for threshold in (None, 0.3, 0.5)]
    monkeypatch.setattr(suggestions, "_FEW_TAGS", 1)
    assert [suggesting.count(*asked, threshold=threshold) for threshold in (None, 0.3, 0.5)] == few
    assert few[0] == {"red": 3, "green": 1, NOWHERE: 0}


def test_an_image_that_gets_a_region_is_suggested_no_more(suggesting: Suggesting) -> None:
    box = suggesting.said["red"]["predictions"][0]["boundingBox"]
    region = {"imageId": suggesting.ids["red"], "tagId": suggesting.tags["red"], **box}
    made = suggesting.post("/images/regions", json={"regions": [region]})["created"]
    assert "red" not in suggesting.found()
    assert suggesting.count("red") == {"red": 2}
    refused = suggesting.post(
        "/tagsandregions/suggestions", 400, params=suggesting.query | {"imageIds": suggesting.ids["red"]}
    )
    assert refused["code"] == "BadRequestInvalidIds"
    path = f"{suggesting.path}/images/regions?regionIds={made[0]['regionId']}"
    assert suggesting.client.delete(path).status_code == 204
    assert "red" in suggesting.found()
