from __future__ import annotations

from typing import Any

import pytest
from iteration_cases import (
    UNKNOWN,
    Case,
    add_images,
    add_tag,
    complete,
    held_out,
    new_project,
    remove_image,
)
from starlette.testclient import TestClient

from dahlia.modeling.predictions import ClassPredictions
from dahlia.server.context import Server

RED, BLUE = "Red ✿", "blue"


@pytest.fixture
def case(server: Server) -> Case:
    return new_project(server, {RED: 6, BLUE: 5})


def trained(
    client: TestClient, server: Server, case: Case, predictions: ClassPredictions | None, **body: Any
) -> str:
    identity = client.post(f"{case.path}/train", params={"forceTrain": True}, json=body or None).json()["id"]
    complete(server, identity, predictions)
    return case.iteration(identity) + "/performance"


def refused(answer: Any, code: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_figures_at_any_threshold(client: TestClient, server: Server, case: Case) -> None:
    path = trained(client, server, case, held_out(case, [BLUE, RED], 0.8, wrong=1))
    body = client.get(path).json()
    blue, red = body.pop("perTagPerformance")
    assert body["precision"] == body["recall"] == pytest.approx(10 / 11)
    assert set(body) == {
        "precision", "precisionStdDeviation", "recall", "recallStdDeviation", "averagePrecision",
    }  # fmt: skip
    assert (blue["id"], blue["name"]) == (case.tags[BLUE], BLUE)
    assert (red["id"], red["name"], red["recall"]) == (case.tags[RED], RED, 1.0)
    assert red["precision"] == pytest.approx(6 / 7)
    assert set(red) == {"id", "name", *body}
    high = client.get(path, params={"threshold": 0.81}).json()
    assert (high["precision"], high["recall"]) == (0.0, 0.0)
    low = client.get(path, params={"threshold": 0.1, "overlapThreshold": 1}).json()
    assert (low["precision"], low["recall"]) == (0.5, 1.0)


def test_thresholds_out_of_range(client: TestClient, server: Server, case: Case) -> None:
    path = trained(client, server, case, held_out(case, [BLUE, RED]))
    for query in (
        {"threshold": -0.1},
        {"threshold": 1.1},
        {"threshold": "nan"},
        {"threshold": "half"},
        {"overlapThreshold": 2},
        {"overlapThreshold": "inf"},
    ):
        refused(client.get(path, params=query), "BadRequestInvalid")


def test_iterations_without_a_performance(client: TestClient, server: Server, case: Case) -> None:
    routes = ("", "/images", "/images/count")
    waiting = case.iteration(client.post(f"{case.path}/train").json()["id"])
    for route in routes:
        refused(client.get(f"{waiting}/performance{route}"), "BadRequestIterationIsNotTrained")
        refused(client.get(f"{case.iteration(UNKNOWN)}/performance{route}"), "NotFoundIteration", 404)
    client.post(waiting + "/cancel")
    for route in routes:
        refused(client.get(f"{waiting}/performance{route}"), "BadRequestIterationIsNotTrained")
    path = trained(client, server, case, None)
    refused(client.get(path), "NotFoundIterationPerformance", 404)
    refused(client.get(path + "/images"), "NotFoundIterationPerformance", 404)
    unjudged = held_out(case, [BLUE, RED])
    unjudged.fold[:] = -1
    refused(client.get(trained(client, server, case, unjudged)), "NotFoundIterationPerformance", 404)


def test_what_was_predicted_of_each_image(client: TestClient, server: Server, case: Case) -> None:
    path = trained(client, server, case, held_out(case, [BLUE, RED], 0.8, wrong=1))
    found = client.get(path + "/images").json()
    uploaded = [identity for tag in (RED, BLUE) for identity, _ in case.images[tag]]
    assert [one["id"] for one in found] == uploaded[::-1]
    last = found[0]
    assert set(last) == {
        "id", "created", "width", "height", "imageUri", "thumbnailUri", "tags", "predictions",
    }  # fmt: skip
    assert (last["width"], last["height"]) == (64, 48)
    assert [(tag["tagId"], tag["tagName"]) for tag in last["tags"]] == [(case.tags[BLUE], BLUE)]
    assert last["predictions"] == [
        {"probability": pytest.approx(0.8), "tagId": case.tags[BLUE], "tagName": BLUE, "tagType": "Regular"},
        {"probability": pytest.approx(0.2), "tagId": case.tags[RED], "tagName": RED, "tagType": "Regular"},
    ]
    wrong = next(one for one in found if one["id"] == case.images[BLUE][0][0])
    assert [one["tagName"] for one in wrong["predictions"]] == [RED, BLUE]
    assert last["imageUri"].startswith("http://testserver/files/images/")
    assert client.get(path + "/images/count").json() == 11


def test_pages_of_images(client: TestClient, server: Server, case: Case) -> None:
    path = trained(client, server, case, held_out(case, [BLUE, RED])) + "/images"
    red, blue = ([identity for identity, _ in case.images[tag]] for tag in (RED, BLUE))
    tags = {"red": case.tags[RED], "blue": case.tags[BLUE]}
    for query, expected in [
        ({"orderBy": "oldest"}, red + blue),
        ({"orderBy": "Newest", "take": 2}, blue[:-3:-1]),
        ({"orderBy": "Oldest", "skip": 5, "take": 2}, [red[5], blue[0]]),
        ({"skip": 11}, []),
        ({"take": 0}, []),
        ({"orderBy": "Oldest", "tagIds": tags["blue"]}, blue),
        ({"orderBy": "Oldest", "tagIds": f"{tags['blue']}, {tags['red'].upper()}"}, red + blue),
        ({"tagIds": UNKNOWN}, []),
    ]:
        answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        assert [one["id"] for one in answer.json()] == expected
    assert client.get(path + "/count", params={"tagIds": tags["blue"]}).json() == 5
    assert client.get(path + "/count", params={"tagIds": UNKNOWN}).json() == 0


def test_pages_that_cannot_be(client: TestClient, server: Server, case: Case) -> None:
    path = trained(client, server, case, held_out(case, [BLUE, RED])) + "/images"
    many = ",".join(f"{UNKNOWN[:-2]}{number:02}" for number in range(21))
    for query, code in [
        ({"take": 257}, "BadRequestExceededBatchSize"),
        ({"take": -1}, "BadRequestInvalid"),
        ({"skip": -1}, "BadRequestInvalid"),
        ({"skip": 10**20}, "BadRequestInvalid"),
        ({"orderBy": "Best"}, "BadRequestInvalid"),
        ({"orderBy": "Suggested"}, "BadRequestInvalid"),
        ({"tagIds": "nonsense"}, "BadRequestInvalidIds"),
        ({"tagIds": many}, "BadRequestExceededBatchSize"),
    ]:
        refused(client.get(path, params=query), code)
    refused(client.get(path + "/count", params={"tagIds": many}), "BadRequestExceededBatchSize")


def test_the_images_are_those_of_the_training(client: TestClient, server: Server, case: Case) -> None:
    path = trained(client, server, case, held_out(case, [BLUE, RED])) + "/images"
    remove_image(server, case, case.images[RED][0][0])
    add_images(server, case, RED, 3)
    assert client.get(path + "/count").json() == 11
    ids = {one["id"] for one in client.get(path).json()}
    assert case.images[RED][0][0] in ids
    assert case.images[RED][-1][0] not in ids


def test_images_of_tags_that_were_left_out(client: TestClient, server: Server, case: Case) -> None:
    add_tag(server, case, "few")
    add_images(server, case, "few", 1)
    chosen = [case.tags[RED], case.tags[BLUE]]
    path = trained(client, server, case, held_out(case, [BLUE, RED]), selectedTags=chosen) + "/images"
    assert len(client.get(path).json()) == client.get(path + "/count").json() == 11
    assert client.get(path, params={"tagIds": case.tags["few"]}).json() == []
    assert client.get(path + "/count", params={"tagIds": case.tags["few"]}).json() == 0


def test_images_that_training_set_aside_have_no_predictions(
    client: TestClient, server: Server, case: Case
) -> None:
    predictions = held_out(case, [BLUE, RED])
    path = trained(client, server, case, predictions.where(predictions.fold != 0)) + "/images"
    found = client.get(path).json()
    assert sorted(len(one["predictions"]) for one in found) == [0] * 3 + [2] * 8


def test_a_negative_tag_is_called_one(client: TestClient, server: Server) -> None:
    case = new_project(server, {RED: 5, "none of them": 5}, types={"none of them": "Negative"})
    path = trained(client, server, case, held_out(case, ["none of them", RED]))
    types = {one["tagName"]: one["tagType"] for one in client.get(path + "/images").json()[0]["predictions"]}
    assert types == {RED: "Regular", "none of them": "Negative"}
