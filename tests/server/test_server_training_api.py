from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from iteration_cases import (
    UNKNOWN,
    Case,
    add_images,
    add_tag,
    complete,
    domain_id,
    new_project,
    remove_image,
    set_job,
)
from sqlalchemy import func, select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import AuditRow, ProjectRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.keys.keys import Scope, create_key

pytestmark = pytest.mark.both_databases

MULTICLASS = "BadRequestMultiClassClassificationTrainingValidationFailed"
MULTILABEL = "BadRequestMultiLabelClassificationTrainingValidationFailed"


def train(client: TestClient, case: Case, body: Any = None, **query: Any) -> Any:
    return client.post(f"{case.path}/train", params=query, json=body)


def code_of(answer: Any, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["code"])


def test_training_is_queued_with_its_iteration(client: TestClient, server: Server) -> None:
    case = new_project(server, {"a": 5, "b": 6, "empty": 0})
    answer = client.post(f"{case.path}/train", headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    identity = body.pop("id")
    assert body.pop("created") == body.pop("lastModified")
    assert body == {
        "name": "Iteration 1",
        "status": "Training",
        "projectId": case.id,
        "exportable": False,
        "exportableTo": None,
        "domainId": None,
        "classificationType": None,
        "trainingType": "Regular",
        "reservedBudgetInHours": 0,
        "trainingTimeInMinutes": 0,
        "publishName": None,
        "originalPublishResourceId": None,
        "customBaseModelInfo": None,
        "trainingErrorDetails": None,
    }
    with server.database.read() as session:
        project = session.scalars(select(ProjectRow).where(ProjectRow.id == case.id)).one()
        row = session.scalars(select(IterationRow).where(IterationRow.id == identity)).one()
        job = session.scalars(select(JobRow).where(JobRow.iteration_key == row.key)).one()
        audit = session.scalars(select(AuditRow).where(AuditRow.project_id == case.id)).one()
    assert (row.epoch, project.epoch, project.iterations_made) == (1, 2, 1)
    assert row.tag_ids == {"a": case.tags["a"], "b": case.tags["b"]}
    assert row.revision == project.revision
    assert (job.kind, job.state) == ("train", "waiting")
    assert (audit.action, audit.details) == ("train_project", {"iteration": identity, "type": "Regular"})


def test_too_little_to_train_on(client: TestClient, server: Server) -> None:
    for tags, classification, code, text in [
        ({}, "Multiclass", MULTICLASS, "received 0"),
        ({"a": 9}, "Multiclass", MULTICLASS, "received 1"),
        ({"a": 9, "b": 0}, "Multilabel", MULTILABEL, "received 1"),
        ({"a": 9, "b": 4}, "Multiclass", MULTICLASS, "'b' has 4"),
        ({"a": 9, "b": 9, "c": 1}, "Multilabel", MULTILABEL, "'c' has 1"),
        (dict.fromkeys("abcdefg", 1), "Multiclass", MULTICLASS, "and 2 tags more"),
    ]:
        case = new_project(server, tags, classification=classification)
        answer = train(client, case)
        assert code_of(answer) == code
        assert "Not enough images for training" in answer.json()["message"]
        assert text in answer.json()["message"]
        assert client.get(f"{case.path}/iterations").json() == []


def test_a_refusal_counts_the_images_without_tags(client: TestClient, server: Server) -> None:
    for pairs, words in [(0, "without a tag, which do not count: 5."), (5, "Not enough images")]:
        case = new_project(server, {"a": 5, "b": 0})
        images = ",".join(image for image, _ in case.images["a"][pairs:])
        if images:
            query = {"imageIds": images, "tagIds": case.tags["a"]}
            assert client.delete(f"{case.path}/images/tags", params=query).status_code == 204
        message = train(client, case).json()["message"]
        assert words in message
        assert ("without a tag" in message) == (pairs == 0)


def test_removed_images_do_not_count(client: TestClient, server: Server) -> None:
    case = new_project(server, {"a": 5, "b": 5})
    remove_image(server, case, case.images["b"][0][0])
    assert code_of(train(client, case)) == MULTICLASS


def test_domains_that_are_not_trained(client: TestClient, server: Server) -> None:
    project = new_project(server, domain=domain_id("Adult"))
    assert code_of(train(client, project)) == "BadRequestRetiredDomainNotSupportedForTraining"


def test_parameters_in_the_query(client: TestClient, server: Server) -> None:
    case = new_project(server)
    refused = {
        "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining": {"trainingType": "advanced"},
        "BadRequestTrainingValidationFailed": {"trainingType": "Advanced", "reservedBudgetInHours": 10**30},
        "BadRequestInvalid": {"trainingType": "Fast"},
        "BadRequestInvalidEmailAddress": {"notificationEmailAddress": "nobody"},
    }
    for code, query in refused.items():
        assert code_of(train(client, case, **query)) == code
    advanced = train(client, case, trainingType="ADVANCED", reservedBudgetInHours=2).json()
    assert (advanced["trainingType"], advanced["reservedBudgetInHours"]) == ("Advanced", 2)
    complete(server, advanced["id"])
    address = "me@mail.example.org"
    regular = train(
        client, case, trainingType="", reservedBudgetInHours=10**30, notificationEmailAddress=address
    )
    assert (regular.json()["trainingType"], regular.json()["reservedBudgetInHours"]) == ("Regular", 0)


def test_chosen_tags_that_do_not_do(client: TestClient, server: Server) -> None:
    case = new_project(server, {"a": 5, "b": 5, "empty": 0})
    for chosen, code, status in [
        ([case.tags["a"]], MULTICLASS, 400),
        ([case.tags["a"], case.tags["empty"]], MULTICLASS, 400),
        ([UNKNOWN], "NotFoundTag", 404),
        (["nonsense"], "BadRequestInvalidIds", 400),
    ]:
        assert code_of(train(client, case, {"selectedTags": chosen}), status) == code


def test_chosen_tags_leave_the_others_out(client: TestClient, server: Server) -> None:
    case = new_project(server, {"a": 5, "b": 5, "few": 1})
    answer = train(client, case, {"SelectedTags": [case.tags["a"].upper(), case.tags["b"]]})
    assert answer.status_code == 200, answer.text
    with server.database.read() as session:
        row = session.scalars(select(IterationRow).where(IterationRow.id == answer.json()["id"])).one()
    assert row.chosen_tags == [case.tags["a"], case.tags["b"]]
    assert row.tag_ids == {"a": case.tags["a"], "b": case.tags["b"]}


def test_nothing_to_train_until_something_changes(client: TestClient, server: Server) -> None:
    case = new_project(server)
    complete(server, train(client, case).json()["id"])
    refused = train(client, case, forceTrain=False)
    assert code_of(refused) == "BadRequestTrainingNotNeeded"
    assert "Nothing changed since last training" in refused.json()["message"]
    forced = train(client, case, forceTrain="true")
    assert forced.json()["name"] == "Iteration 2"
    complete(server, forced.json()["id"])
    other = train(client, case, {"selectedTags": list(case.tags.values())})
    assert other.status_code == 200, other.text
    complete(server, other.json()["id"])
    add_images(server, case, "a", 1)
    assert train(client, case).status_code == 200


def test_another_negative_set_is_news(client: TestClient, server: Server) -> None:
    case = new_project(server)
    for use in (True, False):
        client.patch(case.path, json={"settings": {"useNegativeSet": use}}).raise_for_status()
        answer = train(client, case, forceTrain=False)
        assert answer.status_code == 200, answer.text
        complete(server, answer.json()["id"])
        assert code_of(train(client, case, forceTrain=False)) == "BadRequestTrainingNotNeeded"
    with server.database.read() as session:
        rows = session.scalars(select(IterationRow).order_by(IterationRow.key))
        assert [row.use_negative_set for row in rows] == [True, False]


def test_what_was_trained_before_there_was_a_negative_set_may_be_repeated(
    client: TestClient, server: Server
) -> None:
    case = new_project(server)
    identity = train(client, case).json()["id"]
    complete(server, identity)
    with server.database.write() as session:  # as the migration leaves it
        row = session.scalars(select(IterationRow).where(IterationRow.id == identity)).one()
        row.use_negative_set = False
    assert train(client, case, forceTrain=False).status_code == 200


def test_a_training_that_failed_may_be_repeated(client: TestClient, server: Server) -> None:
    case = new_project(server)
    identity = train(client, case).json()["id"]
    assert client.post(case.iteration(identity) + "/cancel").status_code == 200
    assert train(client, case).json()["name"] == "Iteration 2"


def test_one_training_at_a_time(client: TestClient, server: Server) -> None:
    case, other = new_project(server), new_project(server)
    first = train(client, case).json()["id"]
    assert code_of(train(client, case, forceTrain=True)) == "BadRequestTrainingAlreadyInProgress"
    assert train(client, other).status_code == 200
    set_job(server, case, state="running")
    client.post(case.iteration(first) + "/cancel")
    ending = train(client, case, forceTrain=True)
    assert code_of(ending) == "BadRequestTrainingAlreadyInProgress"
    assert "cancelled" in ending.json()["message"]


def test_of_calls_at_once_one_wins(client: TestClient, server: Server) -> None:
    case = new_project(server)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: train(client, case), range(4)))
    codes = sorted(answer.json().get("code", "") for answer in answers)
    assert codes == ["", *["BadRequestTrainingAlreadyInProgress"] * 3]
    with server.database.read() as session:
        assert session.scalar(select(func.count(IterationRow.key))) == 1
        assert session.scalar(select(func.count(JobRow.key))) == 1


def test_no_more_iterations_than_may_be_kept(client: TestClient, server: Server) -> None:
    case = new_project(server)
    for _ in range(server.settings.limits.iterations_per_project):
        identity = train(client, case, forceTrain=True).json()["id"]
        complete(server, identity)
    assert code_of(train(client, case, forceTrain=True)) == "BadRequestExceedIterationPerProjectLimit"
    assert client.delete(case.iteration(identity)).status_code == 204
    assert train(client, case, forceTrain=True).json()["name"] == "Iteration 21"


def test_a_name_that_somebody_has_given_is_not_given_again(client: TestClient, server: Server) -> None:
    case = new_project(server)
    identity = train(client, case).json()["id"]
    complete(server, identity)
    client.patch(case.iteration(identity), json={"name": "Iteration 2"})
    assert train(client, case, forceTrain=True).json()["name"] == "Iteration 2 (1)"


def base(case: Case, iteration: str) -> dict[str, Any]:
    return {"customBaseModelInfo": {"projectId": case.id, "iterationId": iteration}}


def test_a_training_may_start_from_another(client: TestClient, server: Server) -> None:
    origin, case = new_project(server), new_project(server)
    identity = train(client, origin).json()["id"]
    waiting = train(client, case, base(origin, identity))
    assert code_of(waiting) == "BadRequestCustomBaseModelIterationStatusNotCompleted"
    complete(server, identity)
    answer = train(client, case, base(origin, identity))
    assert answer.json()["customBaseModelInfo"] == {"projectId": origin.id, "iterationId": identity}


def test_bases_that_do_not_do(client: TestClient, server: Server) -> None:
    compact, case = new_project(server, domain=domain_id("Food (compact)")), new_project(server)
    identity = train(client, compact).json()["id"]
    complete(server, identity)
    unlike = train(client, case, base(compact, identity))
    assert code_of(unlike) == "BadRequestCustomBaseModelDomainNotCompatible"
    assert code_of(train(client, case, base(compact, UNKNOWN)), 404) == "NotFoundIteration"
    assert code_of(train(client, case, base(case, identity)), 404) == "NotFoundIteration"
    unknown = {"customBaseModelInfo": {"projectId": UNKNOWN, "iterationId": identity}}
    assert code_of(train(client, case, unknown), 404) == "NotFoundProject"
    partly = {"customBaseModelInfo": {"projectId": case.id}}
    assert code_of(train(client, case, partly)) == "BadRequestRequiredParamIsNull"


def test_a_key_of_one_project_does_not_reach_another_as_a_base(client: TestClient, server: Server) -> None:
    origin, case = new_project(server), new_project(server)
    identity = train(client, origin).json()["id"]
    complete(server, identity)
    with server.database.write() as session:
        _, key = create_key(session, "narrow", Scope.TRAINING, case.id, server.now())
    client.headers["Training-Key"] = key
    answer = train(client, case, base(origin, identity))
    assert code_of(answer, 403) == "ForbiddenUserInsufficientCapability"


def test_unknown_projects(client: TestClient) -> None:
    assert code_of(client.post(f"/projects/{UNKNOWN}/train"), 404) == "NotFoundProject"


def test_a_negative_tag_is_a_tag(client: TestClient, server: Server) -> None:
    case = new_project(server, {"a": 5})
    add_tag(server, case, "none of them", "Negative")
    add_images(server, case, "none of them", 5)
    assert train(client, case).status_code == 200
