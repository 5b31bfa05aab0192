"""Two iterations side by side: what one has right and the other wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from iteration_cases import UNKNOWN, Case, complete, domain_id, draw, held_out, new_project
from starlette.testclient import TestClient

from dahlia.dataset.manifest import TEST_FOLD
from dahlia.modeling.box_predictions import BoxPredictions
from dahlia.modeling.predictions import ClassPredictions
from dahlia.server.context import Server
from dahlia.server.contract.enums import DomainType
from dahlia.server.iterations import comparison
from dahlia.server.iterations.comparisons import known_names
from generated_boxes import written

RED, BLUE = "Red ✿", "blue"


@pytest.fixture
def case(server: Server) -> Case:
    return new_project(server, {RED: 6, BLUE: 5})


def trained(
    client: TestClient, server: Server, case: Case, predictions: ClassPredictions | BoxPredictions | None
) -> str:
    answer = client.post(f"{case.path}/train", params={"forceTrain": True})
    assert answer.status_code == 200, answer.text
    identity: str = answer.json()["id"]
    complete(server, identity, predictions)
    return identity


def compare(client: TestClient, case: Case, first: str, other: str, **query: Any) -> Any:
    path = f"http://testserver/dahlia/v1{case.iteration(first)}/comparison"
    return client.get(path, params={"with": other, **query})


def told(client: TestClient, case: Case, first: str, other: str, **query: Any) -> dict[str, Any]:
    answer = compare(client, case, first, other, **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_one_has_right_and_the_other_wrong(client: TestClient, server: Server, case: Case) -> None:
    # The first images are the blue ones: the old iteration has three of them wrong, the new one one of them.
    old = trained(client, server, case, held_out(case, [BLUE, RED], 0.8, wrong=3))
    new = trained(client, server, case, held_out(case, [BLUE, RED], 0.9, wrong=1))
    found = told(client, case, new, old)
    assert (found["iterationId"], found["otherIterationId"], found["overlap"]) == (new, old, None)
    assert [found[name] for name in ("images", "wonCount", "lostCount", "bothRight", "bothWrong")] == [
        11, 2, 0, 8, 1,
    ]  # fmt: skip
    blue = [identity for identity, _ in case.images[BLUE]]
    assert {one["imageId"] for one in found["won"]} == set(blue[1:3])
    first = found["won"][0]
    assert (first["tags"], first["regions"]) == ([BLUE], [])
    assert [(one["tagName"], one["probability"], one["boundingBox"]) for one in first["said"]] == [
        (BLUE, pytest.approx(0.9), None), (RED, pytest.approx(0.1), None),
    ]  # fmt: skip
    assert first["otherSaid"][0]["tagName"] == RED
    assert first["originalImageUri"] != first["thumbnailUri"]
    figures = found["figures"]
    assert figures["iteration"]["recall"] == pytest.approx(10 / 11)
    assert figures["other"]["precision"] == pytest.approx(8 / 11)
    assert figures["other"]["averagePrecision"] < figures["iteration"]["averagePrecision"] <= 1
    turned = told(client, case, old, new)
    assert (turned["lostCount"], turned["won"]) == (2, [])
    assert turned["lost"] == [
        one | {"said": one["otherSaid"], "otherSaid": one["said"]} for one in found["won"]
    ]


def test_only_images_that_both_judged_are_compared(client: TestClient, server: Server, case: Case) -> None:
    """And those of the user's own test set, and deleted ones, of which there is nothing to show."""
    predictions = held_out(case, [BLUE, RED], 0.8, wrong=2)
    fewer = predictions.where(np.arange(1, 9))
    fewer.fold[:3] = TEST_FOLD
    old = trained(client, server, case, fewer)
    new = trained(client, server, case, held_out(case, [BLUE, RED], 0.9))
    none = replace(predictions, ids=tuple(f"{number:064x}" for number in range(11)))
    neither = trained(client, server, case, none)
    client.delete(f"{case.path}/images", params={"imageIds": case.images[BLUE][1][0], "allIterations": True})
    found = told(client, case, new, old)
    assert (found["images"], found["wonCount"], found["bothRight"]) == (8, 1, 7)
    assert (found["won"][0]["imageId"], found["won"][0]["thumbnailUri"]) == (None, None)
    found = told(client, case, new, neither)
    assert (found["images"], found["figures"], found["won"]) == (0, None, [])


def test_tags_are_the_same_by_their_ids(client: TestClient, server: Server, case: Case) -> None:
    old = trained(client, server, case, held_out(case, [BLUE, RED], 0.8, wrong=1))
    client.patch(f"{case.path}/tags/{case.tags[BLUE]}", json={"name": "navy"})
    renamed = replace(held_out(case, [BLUE, RED], 0.9), tags=("navy", RED))
    new = trained(client, server, case, renamed)
    found = told(client, case, new, old)
    assert (found["wonCount"], found["bothRight"]) == (1, 10)
    assert [one["tagName"] for one in found["won"][0]["otherSaid"]] == [RED, "navy"]


def test_names_of_tags() -> None:
    assert known_names({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) == {"a": "a", "b": "b"}
    assert known_names({"pine": "1"}, {"fir": "1", "oak": "3"}) == {"fir": "pine", "oak": "oak"}
    assert known_names({"pine": "2"}, {"pine": "1"}) == {"pine": "pine"}, "deleted and made again"
    assert known_names({"pine": "1"}, {"pine": "2", "fir": "1"}) == {"fir": "pine", "pine": "pine (2)"}


def test_several_tags_of_an_image_are_judged_at_the_threshold(client: TestClient, server: Server) -> None:
    case = new_project(server, {RED: 6, BLUE: 5}, classification="Multilabel")
    first = replace(held_out(case, [BLUE, RED], 0.8), kind="multilabel")
    other = replace(held_out(case, [BLUE, RED], 0.6), kind="multilabel")
    new, old = (trained(client, server, case, one) for one in (first, other))
    assert told(client, case, new, old)["bothRight"] == 11
    found = told(client, case, new, old, threshold=0.7)
    assert (found["wonCount"], found["threshold"]) == (11, 0.7)
    assert found["figures"]["other"]["recall"] == 0


def test_lists_are_bounded_and_begin_with_what_differs_most(
    client: TestClient, server: Server, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "MOST_LISTED", 2)
    old = held_out(case, [BLUE, RED], 0.8, wrong=4)
    old.probabilities[2] = [0.05, 0.95]
    first = trained(client, server, case, held_out(case, [BLUE, RED], 0.9))
    found = told(client, case, first, trained(client, server, case, old))
    assert (found["wonCount"], len(found["won"])) == (4, 2)
    assert found["won"][0]["imageId"] == case.images[BLUE][2][0]


def test_boxes(client: TestClient, server: Server) -> None:
    domain = domain_id("General", DomainType.DETECTION)
    case = new_project(server, {"fork": 15}, domain=domain, classification=None)
    draw(server, case, "fork", [identity for identity, _ in case.images["fork"]])
    truth = [[(0, 0.1, 0.2, 0.25, 0.5)] for _ in range(15)]

    def found_in(missing: set[int], extra: set[int]) -> BoxPredictions:
        """Without the forks of some images, and with one too many in others; a faint one in each."""
        said: list[list[tuple[float, ...]]] = [
            [(0, 0.9, 0.9, 0.1, 0.1, 0.2), *((*box, 0.8) for box in boxes)] for boxes in truth
        ]
        for number in missing:
            del said[number][1]
        for number in extra:
            said[number].append((0, 0.7, 0.1, 0.1, 0.1, 0.7))
        made = written(truth, said, tags=("fork",), fold=[number % 3 for number in range(15)])
        return replace(made, ids=tuple(sha256 for _, sha256 in case.images["fork"]))

    new = trained(client, server, case, found_in(set(), {14}))
    old = trained(client, server, case, found_in({0, 1}, set()))
    found = told(client, case, new, old)
    assert [found[name] for name in ("images", "wonCount", "lostCount", "bothRight", "bothWrong")] == [
        15, 2, 1, 12, 0,
    ]  # fmt: skip
    assert found["overlap"] == 0.3
    (lost,) = found["lost"]
    assert lost["imageId"] == case.images["fork"][14][0]
    assert lost["tags"] == ["fork"]
    (region,) = lost["regions"]
    assert region["boundingBox"]["left"] == pytest.approx(0.1)
    assert [len(lost["said"]), len(lost["otherSaid"])] == [2, 1]
    assert [one["otherSaid"] for one in found["won"]] == [[], []]
    assert lost["said"][0]["boundingBox"].keys() == {"left", "top", "width", "height"}
    assert found["figures"]["iteration"]["precision"] == pytest.approx(15 / 16)
    assert found["figures"]["other"]["recall"] == pytest.approx(13 / 15)
    assert told(client, case, new, old, threshold=0.75)["lostCount"] == 0, "the box too many is below it"


def test_what_cannot_be_compared(client: TestClient, server: Server, case: Case) -> None:
    first = trained(client, server, case, held_out(case, [BLUE, RED]))
    empty = trained(client, server, case, None)
    waiting = client.post(f"{case.path}/train", params={"forceTrain": True}).json()["id"]
    for query, status, code in (
        ({"other": first.upper()}, 400, "BadRequestInvalid"),
        ({"other": "x"}, 400, "BadRequestInvalidIds"),
        ({"other": UNKNOWN}, 404, "NotFoundIteration"),
        ({"other": empty}, 404, "NotFoundIterationPerformance"),
        ({"other": waiting}, 400, "BadRequestIterationIsNotTrained"),
        ({"other": empty, "threshold": 2}, 400, "BadRequestInvalid"),
    ):
        answer = compare(client, case, first, **query)
        assert (answer.status_code, answer.json()["code"]) == (status, code), query
    path = f"http://testserver/dahlia/v1{case.iteration(first)}/comparison"
    assert client.get(path).json()["code"] == "BadRequestRequiredParamIsNull"
