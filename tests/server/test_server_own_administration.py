"""Keys, audit log, jobs and workers below `/dahlia/v1`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from own_cases import OWN, Own
from project_cases import UNKNOWN, add_image, make_project, make_tag
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import JobRow
from dahlia.server.jobs.job import JobKind, Lane, State
from dahlia.server.jobs.leases import ALIVE_SECONDS, Presence
from dahlia.server.jobs.queue import enqueue
from dahlia.server.keys.keys import Scope, create_key

pytestmark = pytest.mark.both_databases


def made(own: Own, **body: Any) -> dict[str, Any]:
    answer = own.client.post(f"{OWN}/keys", json={"name": "app", "scope": "Read"} | body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    key: dict[str, Any] = answer.json()
    return key


def opens(own: Own, key: dict[str, Any]) -> bool:
    return own.client.get(f"{OWN}/me", headers={"Training-Key": key["key"]}).status_code == 200


def test_the_life_of_a_key(own: Own) -> None:
    first = made(own, projectId=own.project.id.upper(), days=2)
    assert (first["scope"], first["projectId"], first["isActive"]) == ("read", own.project.id, True)
    second = own.client.post(f"{OWN}/keys/{first['id']}/rotate").json()
    assert (opens(own, first), opens(own, second)) == (False, True)
    assert (second["name"], second["projectId"]) == ("app", own.project.id)
    assert own.client.delete(f"{OWN}/keys/{second['id']}").status_code == 204
    assert not opens(own, second)
    for again in (
        own.client.delete(f"{OWN}/keys/{second['id']}"),
        own.client.post(f"{OWN}/keys/{first['id']}/rotate"),
    ):
        assert (again.status_code, again.json()["code"]) == (409, "Conflict")
    shown = own.get(f"/keys/{second['id']}")
    assert (shown["isActive"], "key" in shown) == (False, False)
    listed = own.get("/keys", projectId=own.project.id, take=2)
    assert [one["id"] for one in listed["results"]] == [second["id"], first["id"]]
    secrets = [first["key"], second["key"]]
    log = own.get("/audit", take=10)
    assert [one["action"] for one in log["results"][:3]] == ["revoke_key", "rotate_key", "create_key"]
    assert log["results"][0]["keyId"] == own.get("/me")["id"]
    assert not [secret for secret in secrets if secret in str((log, listed))]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": ""}, 400),
        ({"name": "a" * 129}, 400),
        ({"name": "two\nlines"}, 400),
        ({"scope": "root"}, 400),
        ({"scope": "admin", "projectId": UNKNOWN}, 400),
        ({"projectId": UNKNOWN}, 404),
        ({"projectId": "garden"}, 400),
        ({"projectId": ""}, 400),  # nothing is no project, and null is all of them
        ({"days": 0}, 400),
        ({"days": 1e-12}, 400),  # no lifetime at all, and none is for ever
        ({"days": 1e9}, 400),
        ({"days": "forever"}, 400),
        ({"projctId": UNKNOWN}, 400),
    ],
)
def test_keys_that_cannot_be_made(own: Own, body: dict[str, Any], status: int) -> None:
    answer = own.client.post(f"{OWN}/keys", json={"name": "app", "scope": "read"} | body)
    assert answer.status_code == status, answer.text


def test_no_key_outlives_the_one_that_made_it(own: Own) -> None:
    with own.server.database.write() as session:
        row, text = create_key(session, "brief", Scope.ADMIN, None, own.server.now(), timedelta(days=3))
    headers = {"Training-Key": text}
    lasting = made(own)

    def ask(path: str, **body: Any) -> Any:
        return own.client.post(f"{OWN}/keys{path}", json=body, headers=headers)

    for refused in (
        ask("", name="app", scope="admin"),
        ask("", name="app", scope="read", days=4),
        ask(f"/{lasting['id']}/rotate"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "ForbiddenUserInsufficientCapability")
        assert "outlive" in refused.json()["message"]
    assert opens(own, lasting)
    assert ask("", name="app", scope="admin", days=1).status_code == 200
    before = own.get(f"/keys/{row.id}")["expires"]
    assert ask(f"/{row.id}/rotate").json()["expires"] == before


def test_the_audit_log_is_filtered_and_paged(own: Own) -> None:
    keys = [made(own)["id"] for _ in range(3)]
    lines = own.get("/audit", action="create_key", take=2)
    rest = own.get("/audit", action="create_key", take=1, continuation=lines["continuation"])
    shown = [one["details"]["key"] for one in lines["results"] + rest["results"]]
    assert shown == keys[::-1]
    newest = lines["results"][0]["created"]
    assert own.get("/audit", since="2200-01-01T00:00:00Z")["results"] == []
    assert newest not in [one["created"] for one in own.get("/audit", until="2020-01-01")["results"]]
    assert own.get("/audit", keyId=UNKNOWN)["results"] == []
    assert own.get("/audit", projectId=UNKNOWN)["results"] == []
    for query in ({"action": "\0"}, {"since": "yesterday"}, {"keyId": "mine"}, {"actoin": "create_key"}):
        assert own.client.get(f"{OWN}/audit", params=query).status_code == 400, query


def add_job(own: Own, kind: JobKind = JobKind.IMPORT, lane: Lane = Lane.SHORT, **values: Any) -> str:
    with own.server.database.write() as session:
        project = session.scalars(select(ProjectRow).where(ProjectRow.id == own.project.id)).one()
        job = enqueue(session, kind, project, lane=lane)
        for name, value in values.items():
            setattr(job, name, value)
        return job.id


def test_jobs(own: Own) -> None:
    done = add_job(own, state=State.DONE, started=own.server.now(), ended=own.server.now())
    running = add_job(
        own, lane=Lane.LONG, state=State.RUNNING, worker="host/7", worker_lane=Lane.LONG,
        started=own.server.now(), progress={"stage": "train", "fraction": 0.25},
    )  # fmt: skip
    waiting = add_job(own)
    page = own.get("/jobs", projectId=own.project.id)
    assert [one["id"] for one in page["results"]] == [waiting, running, done]
    assert [one["state"] for one in page["results"]] == ["Waiting", "Running", "Done"]
    assert [(one["stage"], one["share"]) for one in page["results"]] == [
        (None, 0.0), ("train", 0.25), (None, 1.0),
    ]  # fmt: skip
    assert [one["id"] for one in own.get("/jobs", state="running", kind="IMPORT")["results"]] == [running]
    progress = own.get(f"/jobs/{waiting}")["progress"]
    assert (progress["stage"], progress["place"]) == ("Queued", 1)
    lanes = {one["lane"]: one for one in own.get("/info")["lanes"]}
    assert lanes["Long"] == {"lane": "Long", "workers": 1, "waiting": 0, "running": 1}
    assert lanes["Short"]["waiting"] == 1
    (worker,) = own.get("/workers")
    assert (worker["name"], worker["lane"], worker["jobId"]) == ("host/7", "Long", running)
    cancelled = own.client.post(f"{OWN}/jobs/{waiting}/cancel").json()
    asked = own.client.post(f"{OWN}/jobs/{running}/cancel").json()
    assert (cancelled["state"], asked["state"], asked["isBeingCancelled"]) == ("Cancelled", "Running", True)
    assert own.get("/audit")["results"][0]["action"] == "cancel_job"
    for path, status in ((f"/jobs/{done}/cancel", 409), (f"/jobs/{UNKNOWN}/cancel", 404)):
        assert own.client.post(OWN + path).status_code == status
    with own.server.database.write() as session:
        session.query(JobRow).delete()


def test_workers_that_are_there(own: Own) -> None:
    server = own.server
    presence = Presence(server, "host/8", Lane.ALL)
    presence.say()
    presence.say()
    assert [one["name"] for one in own.get("/workers")] == ["host/8"]
    assert [one["workers"] for one in own.get("/info")["lanes"]] == [1, 1]
    now = server.now
    server.now = lambda: now() + timedelta(seconds=ALIVE_SECONDS + 1)
    try:
        assert own.get("/workers") == []
    finally:
        server.now = now
    presence.leave()
    assert own.get("/workers") == []


def test_the_server_says_what_it_takes(own: Own) -> None:
    found = own.get("/info")
    limits = own.server.settings.limits
    assert (found["limits"]["batchImages"], found["limits"]["maxImageMb"]) == (
        limits.batch_images,
        limits.max_image_mb,
    )
    assert "decodeMemoryMb" not in found["limits"]
    platforms = {one["platform"]: one["flavors"] for one in found["features"]["exports"]}
    assert "OnnxFloat16" in platforms["ONNX"]
    assert found["features"]["urlFetch"] == "public"


def test_both_databases_answer(client: TestClient, server: Server) -> None:
    """The queries of lists and summaries, with a project, a job and a worker."""
    project = make_project(client)
    add_image(server, project["id"], make_tag(client, project, "daisy")["id"], boxes=2)
    with server.database.write() as session:
        key = create_key(session, "portal", Scope.ADMIN, None, server.now())[1]
        row = session.scalars(select(ProjectRow).where(ProjectRow.id == project["id"])).one()
        job = enqueue(session, JobKind.IMPORT, row).id
    Presence(server, "host/9", Lane.SHORT).say()

    def get(path: str, **query: Any) -> Any:
        place = f"http://testserver{OWN}{path}"
        answer = client.get(place, params=query, headers={"Training-Key": key})
        assert answer.status_code == 200, answer.text
        return answer.json()

    (told,) = get("/projects")["results"]
    assert [told[f"{what}Count"] for what in ("image", "tag", "region")] == [1, 1, 2]
    short, long = get("/info")["lanes"]
    assert (short["workers"], short["waiting"], long["workers"]) == (1, 1, 0)
    assert [one["id"] for one in get("/jobs", state="Waiting", projectId=project["id"])["results"]] == [job]
    assert get(f"/jobs/{job}")["progress"]["place"] == 1
    assert [one["name"] for one in get("/workers")] == ["host/9"]
    assert len(get("/keys")["results"]) == 2
    assert [one["action"] for one in get("/audit", since="2020-01-01")["results"]] == [
        "create_tag",
        "create_project",
    ]
