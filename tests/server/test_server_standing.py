"""What a waiting training or export waits for: place, reason, time, and who learns the names of others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from iteration_cases import Case, complete, domain_id, new_project
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import JobRow
from dahlia.server.jobs.job import JobKind, Lane
from dahlia.server.jobs.order import Turns
from dahlia.server.jobs.queue import claim
from dahlia.server.keys.keys import Scope, create_key

Trained = Callable[..., str]


@pytest.fixture
def database_url(tmp_path: Any, prepared_sqlite: Any) -> str:
    """What is read here is read alike from both databases; the queue's tests use both."""
    import shutil

    (tmp_path / "home").mkdir()
    shutil.copy(prepared_sqlite, tmp_path / "home" / "dahlia.db")
    return f"sqlite:///{tmp_path / 'home' / 'dahlia.db'}"


@pytest.fixture
def case(server: Server) -> Case:
    return named(server, "mine")


def named(server: Server, name: str) -> Case:
    """A project that can be trained and exported."""
    case = new_project(server, domain=domain_id("General (compact)"))
    with server.database.write() as session:
        session.scalars(select(ProjectRow).where(ProjectRow.id == case.id)).one().name = name
    return case


def train(client: TestClient, case: Case, **query: object) -> str:
    answer = client.post(f"{case.path}/train", params={"forceTrain": True} | query)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def advanced(client: TestClient, case: Case) -> str:
    return train(client, case, trainingType="Advanced", reservedBudgetInHours=1)


def progress(client: TestClient, case: Case, identity: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(case.iteration(identity) + "/progress").json()
    return found


def change(server: Server, kind: JobKind = JobKind.TRAIN, **values: Any) -> None:
    """Change the newest job of a kind."""
    with server.database.write() as session:
        newest = select(JobRow).where(JobRow.kind == kind).order_by(JobRow.key.desc()).limit(1)
        for name, value in values.items():
            setattr(session.scalars(newest).one(), name, value)


def run(server: Server, lane: Lane = Lane.ALL, **progress: object) -> None:
    """Let a worker take what is next, and say how far it is."""
    claimed = claim(server.database, "w", Turns(lane=lane))
    assert claimed is not None
    with server.database.write() as session:
        session.get_one(JobRow, claimed.key).progress = progress


def test_nothing_is_before_it(client: TestClient, server: Server, case: Case) -> None:
    identity = train(client, case)
    said = progress(client, case, identity)
    assert (said["status"], said["stage"], said["place"]) == ("Training", "Queued", 1)
    assert (said["secondsUntilStart"], said["secondsLeft"]) == (0, 7)
    assert said["waitsFor"] == "A worker that looks for jobs; that takes a few seconds."
    assert client.get(case.iteration(identity)).json()["status"] == "Training"
    headers = client.get(case.iteration(identity)).headers
    assert [headers[f"dahlia-{name}"] for name in ("stage", "place", "seconds-left")] == ["Queued", "1", "7"]


@pytest.mark.parametrize(
    ("limited", "whose"), [(False, "of the project 'roses'"), (True, "of another project")]
)
def test_names_of_other_projects_are_for_keys_of_all(
    client: TestClient, server: Server, case: Case, limited: bool, whose: str
) -> None:
    other = named(server, "roses")
    advanced(client, other)
    run(server, seconds_left=340.2)
    identity = train(client, case)
    if limited:
        with server.database.write() as session:
            client.headers["Training-Key"] = create_key(
                session, "limited", Scope.TRAINING, case.id, server.now()
            )[1]
    said = progress(client, case, identity)
    assert said["waitsFor"] == f"1 job before it: an Advanced training {whose} (running, at most 6 min left)."
    assert (said["place"], said["secondsUntilStart"], said["secondsLeft"]) == (2, 341, 347)
    answers = client.get(case.iteration(identity))
    assert "roses" not in answers.text + str(answers.headers)


def test_who_is_served_by_another_worker_does_not_wait(
    client: TestClient, server: Server, case: Case
) -> None:
    advanced(client, named(server, "long"))
    run(server, Lane.LONG, seconds_left=3000)
    said = progress(client, case, train(client, case))
    assert (said["place"], said["secondsUntilStart"]) == (1, 0)
    second = named(server, "long too")
    said = progress(client, second, advanced(client, second))
    assert (said["place"], said["secondsUntilStart"]) == (2, 3000)


def test_an_export_waits(client: TestClient, server: Server, case: Case) -> None:
    identity = train(client, case)
    run(server)
    complete(server, identity)
    path = case.iteration(identity) + "/export"
    for flavor in ("OnnxFloat16", None):
        query = {"platform": "ONNX"} | ({"flavor": flavor} if flavor else {})
        assert client.post(path, params=query).status_code == 200
    first, second = client.get(path + "/progress").json()
    assert (first["flavor"], first["status"], first["stage"], first["place"]) == (
        "OnnxFloat16", "Exporting", "Queued", 1,
    )  # fmt: skip
    assert (second["place"], second["waitsFor"]) == (2, "1 job before it: an export of this project.")
    assert (second["secondsUntilStart"], second["secondsLeft"]) == (None, None)  # none was made before
    headers = client.get(path).headers
    assert (headers["dahlia-stage"], headers["dahlia-place"]) == ("Queued", "1")
    run(server, stage="export", fraction=0.2)
    first, second = client.get(path + "/progress").json()
    assert (first["stage"], first["share"], first["place"]) == ("export", 0.2, None)
    assert second["waitsFor"] == "1 job before it: an export of this project (running)."


def test_past_jobs_tell_how_long_others_take(client: TestClient, server: Server, case: Case) -> None:
    identity = train(client, case)
    run(server)
    complete(server, identity)
    now = server.now()
    change(server, state="done", started=now - timedelta(seconds=14), ended=now, expected=7.0)
    path = case.iteration(identity) + "/export"
    client.post(path, params={"platform": "ONNX"})
    run(server)
    change(server, JobKind.EXPORT, state="done", started=now - timedelta(seconds=30), ended=now)
    client.post(path, params={"platform": "ONNX", "flavor": "OnnxFloat16"})
    change(server, JobKind.EXPORT, payload={"export": "x", "form": "ONNX/"})
    other = named(server, "other")
    said = progress(client, other, train(client, other))
    # One export of half a minute, then a training of twice what is thought.
    assert said["waitsFor"].startswith("1 job before it: an export")
    assert said["secondsUntilStart"] == 30
    assert said["secondsLeft"] == pytest.approx(30 + 2 * 6.6, abs=2)


@pytest.mark.parametrize(
    ("age", "left", "until"),
    [(10, 20, 20), (29, 1, 1), (31, None, None)],  # then nobody knows
)
def test_what_runs_and_what_waits_have_one_estimate(
    client: TestClient, server: Server, case: Case, age: int, left: int | None, until: int | None
) -> None:
    path, now = exports(client, server, case), server.now()
    server.now = lambda: now
    client.post(path, params={"platform": "DockerFile"})
    run(server)
    done = {"state": "done", "started": now - timedelta(seconds=30), "ended": now}
    change(server, JobKind.EXPORT, **done)
    for query in ({"platform": "DockerFile", "flavor": "Linux"}, {"platform": "ONNX"}):
        assert client.post(path, params=query).status_code == 200
    run(server, stage="export", fraction=0.2)
    with server.database.write() as session:
        session.scalars(select(JobRow).where(JobRow.state == "running")).one().started = now - timedelta(
            seconds=age
        )
    _, running, waiting = client.get(path + "/progress").json()
    assert (running["stage"], running["secondsLeft"]) == ("export", left)
    assert waiting["secondsUntilStart"] == until
    # A form that was not exported before takes as long as the others.
    assert waiting["secondsLeft"] == (None if until is None else until + 30)


def exports(client: TestClient, server: Server, case: Case) -> str:
    """A trained iteration's address of exports."""
    identity = train(client, case)
    run(server)
    complete(server, identity)
    change(server, state="done")
    return case.iteration(identity) + "/export"


def test_a_running_training_is_judged_by_the_others(client: TestClient, server: Server, case: Case) -> None:
    past, now = named(server, "past"), server.now()
    server.now = lambda: now
    trained = advanced(client, past)
    run(server)
    complete(server, trained)
    change(server, state="done", started=now - timedelta(seconds=200), ended=now, expected=400.0)
    identity = advanced(client, case)
    run(server, seconds_left=300)
    assert progress(client, case, identity)["secondsLeft"] == 150
    with server.database.write() as session:
        row = session.scalars(select(JobRow).where(JobRow.state == "running")).one()
        row.expected, row.started, row.progress = 400.0, now - timedelta(seconds=150), {"seconds_left": None}
    assert progress(client, case, identity)["secondsLeft"] == 50
    change(server, started=now - timedelta(seconds=201))
    assert progress(client, case, identity)["secondsLeft"] is None
    other = named(server, "other")
    said = progress(client, other, advanced(client, other))
    assert (said["secondsUntilStart"], said["secondsLeft"]) == (None, None)
    assert said["waitsFor"] == "1 job before it: an Advanced training of the project 'mine' (running)."


def test_what_is_being_cancelled_has_no_estimate(client: TestClient, server: Server, case: Case) -> None:
    identity = advanced(client, case)
    run(server, seconds_left=3295)
    assert client.post(case.iteration(identity) + "/cancel").status_code == 200
    said = progress(client, case, identity)
    assert (said["stage"], said["secondsLeft"]) == ("cancelling", None)
    message = client.post(f"{case.path}/train", params={"forceTrain": True}).json()["message"]
    assert "is being cancelled" in message
    assert "or cancel it" not in message
    other = named(server, "other")
    said = progress(client, other, advanced(client, other))
    assert said["secondsUntilStart"] is None
    assert said["waitsFor"].endswith("(being cancelled).")


def test_turns_of_projects_count(client: TestClient, server: Server, case: Case) -> None:
    path = exports(client, server, case)
    flavors = ["ONNX10", "ONNX12", "OnnxFloat16"]
    for flavor in flavors:
        assert client.post(path, params={"platform": "ONNX", "flavor": flavor}).status_code == 200
    others = [named(server, f"p{number}") for number in range(3)]
    places = [progress(client, other, train(client, other))["place"] for other in others]
    assert places == [2, 4, 6]  # an export before each
    # A training was taken last.
    assert [one["place"] for one in client.get(path + "/progress").json()] == [1, 3, 5]
    said = progress(client, others[2], client.get(f"{others[2].path}/iterations").json()[0]["id"])
    assert said["waitsFor"].startswith("5 jobs before it: ")
    assert said["waitsFor"].endswith(", and 2 more.")


def test_nobody_takes_jobs(client: TestClient, server: Server, case: Case) -> None:
    identity, now = train(client, case), server.now()
    ready = "http://testserver/readyz"
    assert client.get(ready).json() == {"status": "ok"}
    server.now = lambda: now + timedelta(minutes=5)  # the jobs are looked at every minute in these tests
    said = progress(client, case, identity)
    assert said["waitsFor"].startswith("No worker takes short jobs: ")
    assert "`dahlia worker --lane short`" in said["waitsFor"]
    assert (said["secondsUntilStart"], said["secondsLeft"]) == (None, None)
    assert "dahlia-seconds-left" not in client.get(case.iteration(identity)).headers
    answer = client.get(ready).json()
    assert answer["status"] == "degraded"
    assert "No worker takes short jobs" in answer["reasons"][0]
    run(server)
    other = named(server, "other")
    identity = train(client, other)
    change(server, created=now)
    assert progress(client, other, identity)["waitsFor"].startswith("1 job before it: a training")
    assert client.get(ready).json() == {"status": "ok"}


def test_large_and_advanced_trainings_are_long(client: TestClient, server: Server, case: Case) -> None:
    train(client, case)
    advanced(client, named(server, "advanced"))
    section = server.settings.jobs.model_copy(update={"short_seconds": 5.0})
    server.settings = server.settings.model_copy(update={"jobs": section})
    train(client, named(server, "large"))
    with server.database.read() as session:
        found = [(job.lane, round(job.expected or 0)) for job in session.scalars(select(JobRow))]
    assert found == [("short", 6), ("long", 243), ("long", 6)]
