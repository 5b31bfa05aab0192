"""What `train_project` asks of projects that find objects."""

from __future__ import annotations

from typing import Any

import pytest
from iteration_cases import (
    UNKNOWN,
    Case,
    add_images,
    add_tag,
    complete,
    domain_id,
    draw,
    new_project,
)
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.contract.enums import DomainType
from dahlia.server.database.work_tables import IterationRow, JobRow

pytestmark = pytest.mark.both_databases

FEW = "BadRequestDetectionTrainingValidationFailed"


def detecting(server: Server, tags: dict[str, int], domain: str = "General") -> Case:
    """A project whose images have a region of their tag each."""
    case = new_project(server, tags, domain=domain_id(domain, DomainType.DETECTION), classification=None)
    for name, images in case.images.items():
        draw(server, case, name, [identity for identity, _ in images])
    return case


def train(client: TestClient, case: Case, body: Any = None, **query: Any) -> Any:
    return client.post(f"{case.path}/train", params=query, json=body)


def code_of(answer: Any, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["code"])


def iteration(server: Server, identity: str) -> IterationRow:
    with server.database.read() as session:
        return session.scalars(select(IterationRow).where(IterationRow.id == identity)).one()


def test_a_training_of_one_tag_is_queued(client: TestClient, server: Server) -> None:
    case = detecting(server, {"fork": 15})
    add_tag(server, case, "nowhere")
    answer = train(client, case)
    assert answer.status_code == 200, answer.text
    row = iteration(server, answer.json()["id"])
    assert (row.tag_ids, row.kind) == ({"fork": case.tags["fork"]}, "detection")
    with server.database.read() as session:
        job = session.scalars(select(JobRow)).one()
    assert job.expected > 30  # a detector is no matter of seconds


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({}, "received 0. Draw regions around the objects"),
        ({"fork": 14}, "'fork' has 14"),
        ({"fork": 15, "knife": 14}, "'knife' has 14"),
        (dict.fromkeys("abcdefg", 1), "and 2 tags more"),
    ],
)
def test_too_little_to_train_on(client: TestClient, server: Server, tags: dict[str, int], said: str) -> None:
    answer = train(client, detecting(server, tags))
    assert code_of(answer) == FEW
    assert "Not enough images for training" in answer.json()["message"]
    assert said in answer.json()["message"]


def test_images_without_regions_do_not_count(client: TestClient, server: Server) -> None:
    case = detecting(server, {"fork": 15})
    add_tag(server, case, "knife")
    add_images(server, case, "knife", 20)
    answer = train(client, case)
    assert code_of(answer) == FEW
    assert "'knife' has 0" in answer.json()["message"]
    assert "without a region, which do not count: 20." in answer.json()["message"]


def test_several_regions_of_a_tag_are_one_image(client: TestClient, server: Server) -> None:
    case = detecting(server, {"fork": 14})
    draw(server, case, "fork", [identity for identity, _ in case.images["fork"]])
    assert code_of(train(client, case)) == FEW


def test_an_image_with_a_tag_that_is_nowhere_in_it_does_not_count(client: TestClient, server: Server) -> None:
    """Its object may be anywhere in it, so that nothing outside of its regions is known to be background."""
    case = detecting(server, {"fork": 15, "knife": 15})
    with_both = case.images["fork"][0][0]
    tags = {"tags": [{"imageId": with_both, "tagId": case.tags["knife"]}]}
    assert client.post(f"{case.path}/images/tags", json=tags).status_code == 200
    answer = train(client, case)
    assert (code_of(answer), "'fork' has 14" in answer.json()["message"]) == (FEW, True)
    chosen = train(client, case, {"selectedTags": [case.tags["fork"]]})
    assert chosen.status_code == 200, chosen.text  # knives are not asked for
    assert client.post(case.iteration(chosen.json()["id"]) + "/cancel").status_code == 200
    draw(server, case, "knife", [with_both])
    assert train(client, case).status_code == 200


def test_removed_regions_do_not_count(client: TestClient, server: Server) -> None:
    case = detecting(server, {"fork": 15})
    image = client.get(f"{case.path}/images/tagged", params={"take": 1}).json()[0]
    gone = client.delete(f"{case.path}/images/regions", params={"regionIds": image["regions"][0]["regionId"]})
    assert gone.status_code == 204, gone.text
    assert code_of(train(client, case)) == FEW


def test_a_negative_tag_is_refused(client: TestClient, server: Server) -> None:
    case = detecting(server, {"fork": 15})
    add_tag(server, case, "none of them", "Negative")
    assert code_of(train(client, case)) == "BadRequestDetectionTrainingNotAllowNegativeTag"
    both = {"selectedTags": list(case.tags.values())}
    assert code_of(train(client, case, both)) == "BadRequestDetectionTrainingNotAllowNegativeTag"
    chosen = train(client, case, {"selectedTags": [case.tags["fork"]]})
    assert chosen.status_code == 200, chosen.text


def test_chosen_tags_leave_the_others_out(client: TestClient, server: Server) -> None:
    case = detecting(server, {"fork": 15, "few": 1})
    assert code_of(train(client, case)) == FEW
    for chosen, code, status in [
        ([case.tags["few"]], FEW, 400),
        ([UNKNOWN], "NotFoundTag", 404),
        (["nonsense"], "BadRequestInvalidIds", 400),
    ]:
        assert code_of(train(client, case, {"selectedTags": chosen}), status) == code
    answer = train(client, case, {"selectedTags": [case.tags["fork"]]})
    row = iteration(server, answer.json()["id"])
    assert (row.chosen_tags, row.tag_ids) == ([case.tags["fork"]], {"fork": case.tags["fork"]})


def test_nothing_to_train_until_a_region_changes(client: TestClient, server: Server) -> None:
    case = detecting(server, {"fork": 15})
    complete(server, train(client, case).json()["id"])
    assert code_of(train(client, case, forceTrain=False)) == "BadRequestTrainingNotNeeded"
    draw(server, case, "fork", [case.images["fork"][0][0]])
    assert train(client, case, forceTrain=False).status_code == 200


def test_products_are_found_like_other_tags(client: TestClient, server: Server) -> None:
    case = detecting(server, {"fork": 15}, "Products on Shelves")
    add_tag(server, case, "product", "GeneralProduct")
    add_images(server, case, "product", 15)
    draw(server, case, "product", [identity for identity, _ in case.images["product"]])
    answer = train(client, case)
    assert set(iteration(server, answer.json()["id"]).tag_ids) == {"fork", "product"}


def test_detectors_start_from_detectors_of_their_kind_of_network(client: TestClient, server: Server) -> None:
    compact, general = (detecting(server, {"fork": 15}, name) for name in ("General (compact)", "General"))
    classifier = new_project(server, domain=domain_id("General (compact)"))
    made = {case.id: train(client, case).json()["id"] for case in (compact, general, classifier)}
    for identity in made.values():
        complete(server, identity)

    def based(case: Case, on: Case) -> Any:
        base = {"projectId": on.id, "iterationId": made[on.id]}
        return train(client, case, {"customBaseModelInfo": base})

    for other in (general, classifier):
        assert code_of(based(compact, other)) == "BadRequestCustomBaseModelDomainNotCompatible"
    assert based(compact, compact).status_code == 200
