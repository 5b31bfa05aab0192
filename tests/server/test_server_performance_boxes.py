"""The performance of detectors through the API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from iteration_cases import Case, complete, domain_id, draw, new_project
from starlette.testclient import TestClient

from dahlia.modeling.box_predictions import BoxPredictions
from dahlia.server.context import Server
from dahlia.server.contract.enums import DomainType
from generated_boxes import written

FORK, KNIFE = "Fork ✿", "knife"
SHIFT = 0.0625  # a fifth of the overlap is left out on either side: 0.6 remains


@pytest.fixture
def case(server: Server) -> Case:
    """Fifteen forks and fifteen knives, each drawn in the middle; one image has both."""
    domain = domain_id("General", DomainType.DETECTION)
    case = new_project(server, {FORK: 15, KNIFE: 15}, domain=domain, classification=None)
    for name in (FORK, KNIFE):
        draw(server, case, name, [identity for identity, _ in case.images[name]])
    draw(server, case, KNIFE, [case.images[FORK][0][0]])
    return case


def found_in(case: Case, *, shifted: int, score: float = 0.8) -> BoxPredictions:
    """Each drawn box once, the first `shifted` ones beside their place, and a fork in the corner of each."""
    images = [*case.images[FORK], *case.images[KNIFE]]
    truth = [[(number // 15, 0.01 * (number % 15), 0.2, 0.25, 0.5)] for number in range(30)]
    truth[0].append((1, 0.0, 0.2, 0.25, 0.5))
    said = [
        [
            *((tag, left + SHIFT * (number < shifted), *rest, score) for tag, left, *rest in boxes),
            (0, 0.9, 0.9, 0.1, 0.1, 0.1),
        ]
        for number, boxes in enumerate(truth)
    ]
    predictions = written(truth, said, tags=(FORK, KNIFE), fold=[number % 3 for number in range(30)])
    return replace(predictions, ids=tuple(sha256 for _, sha256 in images))


def trained(
    client: TestClient, server: Server, case: Case, predictions: BoxPredictions | None, **body: Any
) -> str:
    answer = client.post(f"{case.path}/train", params={"forceTrain": True}, json=body or None)
    assert answer.status_code == 200, answer.text
    complete(server, answer.json()["id"], predictions)
    return case.iteration(answer.json()["id"]) + "/performance"


def test_figures_at_any_threshold_and_overlap(client: TestClient, server: Server, case: Case) -> None:
    path = trained(client, server, case, found_in(case, shifted=10))
    body = client.get(path, params={"overlapThreshold": 0.5}).json()
    fork, knife = body["perTagPerformance"]
    assert (body["precision"], body["recall"]) == (1.0, 1.0)
    assert (fork["id"], fork["name"], fork["recall"]) == (case.tags[FORK], FORK, 1.0)
    assert (knife["id"], knife["recall"], knife["averagePrecision"]) == (case.tags[KNIFE], 1.0, 1.0)
    strict = client.get(path, params={"overlapThreshold": 0.7, "threshold": 0.5}).json()
    fork, knife = strict["perTagPerformance"]
    assert (fork["recall"], knife["recall"]) == (pytest.approx(5 / 15), pytest.approx(15 / 16))
    assert strict["recall"] == pytest.approx(20 / 31)
    assert 0 < strict["averagePrecision"] < 1
    low = client.get(path, params={"threshold": 0.05, "overlapThreshold": 0.5}).json()
    assert low["precision"] == pytest.approx(31 / 61)
    high = client.get(path, params={"threshold": 0.81}).json()
    assert (high["precision"], high["recall"]) == (0.0, 0.0)


def test_the_usual_overlap_is_three_tenths(client: TestClient, server: Server, case: Case) -> None:
    path = trained(client, server, case, found_in(case, shifted=30))
    said = {name: client.get(path, params=query).json() for name, query in (
        ("usual", {}), ("low", {"overlapThreshold": 0.3}), ("high", {"overlapThreshold": 0.61}),
    )}  # fmt: skip
    assert said["usual"] == said["low"] != said["high"]


def test_deviations_are_between_folds(client: TestClient, server: Server, case: Case) -> None:
    body = client.get(
        trained(client, server, case, found_in(case, shifted=10)), params={"overlapThreshold": 0.7}
    ).json()
    assert body["recallStdDeviation"] > 0
    assert set(body["perTagPerformance"][0]) == {"id", "name", *body} - {"perTagPerformance"}


def test_images_have_regions_and_found_boxes(client: TestClient, server: Server, case: Case) -> None:
    path = trained(client, server, case, found_in(case, shifted=0)) + "/images"
    found = client.get(path, params={"orderBy": "Oldest", "take": 1}).json()
    (first,) = found
    assert first["id"] == case.images[FORK][0][0]
    assert {region["tagName"] for region in first["regions"]} == {tag["tagName"] for tag in first["tags"]}
    assert [(one["tagName"], one["probability"]) for one in first["predictions"]] == [
        (FORK, 0.8), (FORK, 0.1), (KNIFE, 0.8),
    ]  # fmt: skip
    box = {"left": 0.0, "top": 0.2, "width": 0.25, "height": 0.5}
    assert first["predictions"][0]["boundingBox"] == box
    assert {name: first["regions"][0][name] for name in box} == box
    assert set(first["predictions"][0]) == {"probability", "tagId", "tagName", "tagType", "boundingBox"}
    knives = client.get(path, params={"tagIds": case.tags[KNIFE], "take": 256}).json()
    assert len(knives) == client.get(path + "/count", params={"tagIds": case.tags[KNIFE]}).json() == 16
    assert client.get(path + "/count").json() == 30


def test_images_that_were_left_out_have_no_predictions(
    client: TestClient, server: Server, case: Case
) -> None:
    predictions = found_in(case, shifted=0)
    path = trained(client, server, case, predictions.where(predictions.fold != 0)) + "/images"
    found = client.get(path).json()
    assert sorted({len(one["predictions"]) for one in found}) == [0, 2]
    assert all(one["regions"] for one in found)


def test_nothing_was_held_out(client: TestClient, server: Server, case: Case) -> None:
    for predictions in (
        None,
        replace(found_in(case, shifted=0), fold=found_in(case, shifted=0).fold * 0 - 1),
    ):
        answer = client.get(trained(client, server, case, predictions))
        assert (answer.status_code, answer.json()["code"]) == (404, "NotFoundIterationPerformance")
