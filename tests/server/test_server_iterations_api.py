from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from iteration_cases import UNKNOWN, Case, complete, domain_id, new_project, set_job
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import AuditRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.keys.keys import Scope, create_key

pytestmark = pytest.mark.both_databases

OLD, NEW = "/customvision/v3.2/training", "/customvision/v3.3/training"


@pytest.fixture
def case(server: Server) -> Case:
    return new_project(server)


def train(client: TestClient, case: Case) -> str:
    answer = client.post(f"{case.path}/train", params={"forceTrain": True})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def trained(client: TestClient, server: Server, case: Case) -> str:
    identity = train(client, case)
    complete(server, identity)
    return identity


def refused(answer: Any, code: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def publish(client: TestClient, case: Case, identity: str, name: str, **more: Any) -> Any:
    query = {"publishName": name, "predictionId": "/subscriptions/1/accounts/mine", **more}
    return client.post(case.iteration(identity) + "/publish", params=query)


def test_an_iteration_fills_in_when_it_is_trained(client: TestClient, server: Server, case: Case) -> None:
    identity = train(client, case)
    before = client.get(case.iteration(identity)).json()
    assert before["domainId"] is before["classificationType"] is before["exportableTo"] is None
    assert "trainedAt" not in before
    complete(server, identity)
    after = client.get(case.iteration(identity)).json()
    assert after.pop("trainedAt").endswith("Z")
    assert after == before | {
        "status": "Completed",
        "domainId": domain_id("General"),
        "classificationType": "Multiclass",
        "trainingTimeInMinutes": 1,
    }


def test_what_an_iteration_can_be_exported_to(client: TestClient, server: Server) -> None:
    everything = ["CoreML", "DockerFile", "ONNX", "OpenVino", "TensorFlow"]
    for domain, status, v32, v33 in [
        ("General", "Completed", [], None),
        ("General (compact)", "Completed", everything, everything),
        ("General (compact)", "Training", None, None),
        ("General (compact)", "Failed", [], None),
    ]:
        case = new_project(server, domain=domain_id(domain))
        identity = train(client, case)
        if status == "Completed":
            complete(server, identity)
        elif status == "Failed":
            client.post(case.iteration(identity) + "/cancel")
        for base, expected in ((OLD, v32), (NEW, v33)):
            answer = client.get(f"http://testserver{base}{case.iteration(identity)}").json()
            assert (answer["status"], answer["exportableTo"]) == (status, expected)
            assert answer["exportable"] is (status == "Completed" and bool(expected))


def test_iterations_are_listed_oldest_first(client: TestClient, server: Server, case: Case) -> None:
    assert client.get(f"{case.path}/iterations").json() == []
    ids = [trained(client, server, case) for _ in range(3)]
    assert [one["id"] for one in client.get(f"{case.path}/iterations").json()] == ids


def test_iterations_that_are_not_there(client: TestClient, server: Server, case: Case) -> None:
    identity, other = train(client, case), new_project(server)
    refused(client.get(f"/projects/{UNKNOWN}/iterations"), "NotFoundProject", 404)
    refused(client.get(f"/projects/{UNKNOWN}/iterations/{identity}"), "NotFoundProject", 404)
    for path in (case.iteration(UNKNOWN), other.iteration(identity)):
        for method, route in [("GET", ""), ("DELETE", ""), ("GET", "/progress"), ("POST", "/cancel"),
                              ("DELETE", "/publish")]:  # fmt: skip
            refused(client.request(method, path + route), "NotFoundIteration", 404)
        refused(client.patch(path, json={"name": "x"}), "NotFoundIteration", 404)
    refused(publish(client, other, identity, "x"), "NotFoundIteration", 404)
    refused(client.get(case.iteration("nonsense")), "BadRequestInvalidIds")


def test_keys_that_only_read(client: TestClient, server: Server, case: Case) -> None:
    identity = trained(client, server, case)
    with server.database.write() as session:
        _, key = create_key(session, "reader", Scope.READ, None, server.now())
    client.headers["Training-Key"] = key
    path = case.iteration(identity)
    assert client.get(path).status_code == client.get(path + "/progress").status_code == 200
    for answer in (
        client.patch(path, json={"name": "x"}),
        client.delete(path),
        client.post(path + "/cancel"),
        client.delete(path + "/publish"),
        publish(client, case, identity, "x"),
        client.post(f"{case.path}/train"),
    ):
        refused(answer, "ForbiddenUserInsufficientCapability", 403)


def test_renaming(client: TestClient, server: Server, case: Case) -> None:
    first, second = trained(client, server, case), trained(client, server, case)
    publish(client, case, first, "production")
    answer = client.patch(case.iteration(first), json={"Name": "Best ✿", "status": "ignored"}).json()
    assert (answer["name"], answer["publishName"], answer["status"]) == ("Best ✿", "production", "Completed")
    assert client.patch(case.iteration(first), json={"name": "Best ✿"}).status_code == 200
    assert client.patch(case.iteration(first), json={}).json()["name"] == "Best ✿"
    refused(client.patch(case.iteration(second), json={"name": "Best ✿"}), "BadRequestIterationNameNotUnique")
    for name in ("", " ", " x", "x\n", "a\0b", "x" * 129):
        refused(client.patch(case.iteration(second), json={"name": name}), "BadRequestIterationName")
    json = {"content-type": "application/json"}
    half = client.patch(case.iteration(second), content=b'{"name": "\\ud800"}', headers=json)
    refused(half, "BadRequestIterationName")
    other = new_project(server)
    assert client.patch(other.iteration(train(client, other)), json={"name": "Best ✿"}).status_code == 200


def test_publishing(client: TestClient, server: Server, case: Case) -> None:
    calls: list[str] = []
    server.on_publish.append(lambda: calls.append("told"))
    identity = trained(client, server, case)
    answer = publish(client, case, identity, "production")
    assert (answer.status_code, answer.text) == (200, "true")
    found = client.get(case.iteration(identity)).json()
    assert found["publishName"] == "production"
    assert found["originalPublishResourceId"] == "/subscriptions/1/accounts/mine"
    assert publish(client, case, identity, "production").text == "true"
    refused(publish(client, case, identity, "other"), "BadRequestIterationIsPublished")
    assert publish(client, case, identity, "other", overwrite="true").text == "true"
    told = len(calls)
    answer = client.delete(case.iteration(identity) + "/publish")
    assert (answer.status_code, answer.content, len(calls)) == (204, b"", told + 1)
    found = client.get(case.iteration(identity)).json()
    assert found["publishName"] is found["originalPublishResourceId"] is None
    refused(client.delete(case.iteration(identity) + "/publish"), "BadRequestIterationNotPublished")
    with server.database.read() as session:
        actions = session.scalars(select(AuditRow.action).order_by(AuditRow.key)).all()
    assert actions == ["train_project", "publish_iteration", "publish_iteration", "unpublish_iteration"]


def test_a_publish_name_moves_when_asked_to(client: TestClient, server: Server, case: Case) -> None:
    first, second = trained(client, server, case), trained(client, server, case)
    publish(client, case, first, "production")
    refused(publish(client, case, second, "production"), "BadRequestInvalidPublishName")
    assert publish(client, case, second, "staging").text == "true"
    assert publish(client, case, second, "production", overwrite=True).text == "true"
    names = [one["publishName"] for one in client.get(f"{case.path}/iterations").json()]
    assert names == [None, "production"]
    other = new_project(server)
    assert publish(client, other, trained(client, server, other), "production").text == "true"


def test_of_two_that_publish_one_name_one_has_it(client: TestClient, server: Server, case: Case) -> None:
    ids = [trained(client, server, case) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: publish(client, case, one, "production"), ids))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: publish(client, case, one, "production", overwrite=True), ids))
    assert {answer.status_code for answer in answers} == {200}
    names = [one["publishName"] for one in client.get(f"{case.path}/iterations").json()]
    assert sorted(names, key=str) == [None, None, None, "production"]


def test_what_cannot_be_published(client: TestClient, server: Server, case: Case) -> None:
    identity = train(client, case)
    refused(publish(client, case, identity, "production"), "BadRequestIterationIsNotTrained")
    complete(server, identity)
    for name in ("", " ", "a ", ".", "..", "a\nb", "a\0", "x" * 129):
        refused(publish(client, case, identity, name), "BadRequestInvalidPublishName")
    for resource in ("", " ", "a\0", "x" * 1025):
        refused(
            publish(client, case, identity, "production", predictionId=resource),
            "BadRequestInvalidPublishTarget",
        )
    path = case.iteration(identity) + "/publish"
    for query in ({"publishName": "production"}, {"predictionId": "mine"}):
        refused(client.post(path, params=query), "BadRequestRequiredParamIsNull")
    for name in ("a/b", "Größe ✿", "100 %", "v1", "latest"):
        assert publish(client, case, identity, name, overwrite=True).text == "true"


def test_names_are_kept_in_one_spelling(client: TestClient, server: Server, case: Case) -> None:
    first, second = trained(client, server, case), trained(client, server, case)
    publish(client, case, first, "Gro\u0308ße")
    assert client.get(case.iteration(first)).json()["publishName"] == "Gr\u00f6ße"
    refused(publish(client, case, second, "Gr\u00f6ße"), "BadRequestInvalidPublishName")


def test_progress_is_told_while_it_trains(client: TestClient, server: Server, case: Case) -> None:
    identity = train(client, case)
    path = case.iteration(identity)
    assert client.get(path).headers["dahlia-stage"] == "Queued"
    progress = {"stage": "train", "fraction": 0.254, "seconds_left": 7.2}
    set_job(server, case, state="running", progress=progress)
    answer = client.get(path)
    assert (answer.headers["dahlia-stage"], answer.headers["dahlia-seconds-left"]) == ("train", "8")
    running = client.get(path + "/progress").json()
    assert (running["stage"], running["share"], running["secondsLeft"]) == ("train", 0.254, 8)
    complete(server, identity)
    assert not {"dahlia-stage", "dahlia-seconds-left"} & set(client.get(path).headers)
    ended = client.get(path + "/progress").json()
    assert (ended["status"], ended["stage"], ended["share"]) == ("Completed", None, 1.0)


def test_cancelling_what_waits(client: TestClient, server: Server, case: Case) -> None:
    identity = train(client, case)
    answer = client.post(case.iteration(identity) + "/cancel")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["trainingErrorDetails"]) == ("Failed", "Cancelled")
    assert "trainedAt" not in answer.json()
    refused(client.post(case.iteration(identity) + "/cancel"), "Conflict", 409)
    refused(publish(client, case, identity, "x"), "BadRequestIterationIsNotTrained")


def test_cancelling_what_runs(client: TestClient, server: Server, case: Case) -> None:
    identity = train(client, case)
    set_job(server, case, state="running", worker="w")
    for _ in range(2):
        assert client.post(case.iteration(identity) + "/cancel").json()["status"] == "Training"
    assert client.get(case.iteration(identity)).headers["dahlia-stage"] == "cancelling"
    with server.database.read() as session:
        assert session.scalars(select(JobRow.cancel)).one() is True
    complete(server, identity)
    refused(client.post(case.iteration(identity) + "/cancel"), "Conflict", 409)


def test_deleting(client: TestClient, server: Server, case: Case) -> None:
    identity = trained(client, server, case)
    server.storage.put(f"iterations/{identity}/servable/model.onnx", b"model")
    server.storage.put(f"exports/{identity}/model.zip", b"zip")
    publish(client, case, identity, "production")
    refused(client.delete(case.iteration(identity)), "BadRequestIterationIsPublished")
    assert server.storage.exists(f"iterations/{identity}/servable/model.onnx")
    client.delete(case.iteration(identity) + "/publish")
    answer = client.delete(case.iteration(identity))
    assert (answer.status_code, answer.content) == (204, b"")
    refused(client.get(case.iteration(identity)), "NotFoundIteration", 404)
    refused(client.delete(case.iteration(identity)), "NotFoundIteration", 404)
    assert list(server.storage.keys("iterations")) == list(server.storage.keys("exports")) == []
    with server.database.read() as session:
        assert session.scalars(select(JobRow)).all() == []


def test_deleting_what_is_being_trained(client: TestClient, server: Server, case: Case) -> None:
    waiting = train(client, case)
    assert client.delete(case.iteration(waiting)).status_code == 204
    running = train(client, case)
    set_job(server, case, state="running", worker="w", attempts=1)
    assert client.delete(case.iteration(running)).status_code == 204
    assert client.get(f"{case.path}/iterations").json() == []
    # Its worker still has the workspace.
    refused(client.post(f"{case.path}/train"), "BadRequestTrainingAlreadyInProgress")
    with server.database.read() as session:
        job = session.scalars(select(JobRow)).one()
        assert (job.state, job.cancel, job.iteration_key) == ("running", True, None)
    set_job(server, case, state="cancelled")
    assert client.post(f"{case.path}/train").status_code == 200


def test_followers_look_after_the_change(client: TestClient, server: Server, case: Case) -> None:
    seen: list[str | None] = []

    def look() -> None:
        with server.database.read() as session:
            seen.append(session.scalars(select(IterationRow.publish_name)).one())

    server.on_publish.append(look)
    identity = trained(client, server, case)
    publish(client, case, identity, "production")
    client.delete(case.iteration(identity) + "/publish")
    assert seen == ["production", None]
