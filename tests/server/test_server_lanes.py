"""Short work does not wait behind long work, on either database."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from job_cases import Planted, add_photos, eventually, exported, jobs, order, order_export, plant, working
from sqlalchemy import delete, inspect, select

from dahlia.server import running
from dahlia.server.context import Server, open_server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import JobRow
from dahlia.server.jobs.export_job import export
from dahlia.server.jobs.job import Claimed, JobKind, Lane, State
from dahlia.server.jobs.leases import give_back
from dahlia.server.jobs.order import LONG_PATIENCE, SERVER_BYTES, WORKER_BYTES, Turns, lanes_of, training_lane
from dahlia.server.jobs.queue import claim, enqueue, held
from dahlia.server.jobs.task import Task
from dahlia.server.jobs.training_job import train
from dahlia.server.jobs.waiting import position_of
from dahlia.server.jobs.worker_context import WorkerContext
from dahlia.server.running import Workers
from dahlia.server.workspaces.guard import guard_command
from dahlia.server.workspaces.workspace import Cancelled
from dahlia.settings.server import JobsSection, load_settings
from shared_graphs import share_graphs_of_server

pytestmark = pytest.mark.both_databases

SHORT, LONG, ALL = Lane.SHORT, Lane.LONG, Lane.ALL
ENOUGH = SERVER_BYTES + 2 * WORKER_BYTES


def order_long(server: Server, project: Planted | None = None) -> str:
    """Ask for an Advanced training."""
    return order(server, project or plant(server, "a"), lane=LONG, training_type="Advanced", budget_hours=1)


def take(server: Server, turns: Turns) -> Claimed:
    """Take a job and end it."""
    claimed = claim(server.database, "one", turns)
    assert claimed is not None
    with server.database.write() as session:
        held(session, claimed).state = State.DONE
    turns.ended()
    return claimed


@pytest.mark.parametrize(
    ("workers", "long_workers", "memory", "expected"),
    [
        (1, None, ENOUGH, (SHORT, LONG)),
        (1, None, ENOUGH - 1, (ALL,)),
        (2, None, ENOUGH, (ALL, ALL)),
        (2, None, ENOUGH + WORKER_BYTES, (SHORT, SHORT, LONG)),
        (0, None, 100 * ENOUGH, ()),
        (0, 1, ENOUGH, (LONG,)),
        (1, 2, 0, (SHORT, LONG, LONG)),
        (2, 0, 100 * ENOUGH, (ALL, ALL)),
    ],
)
def test_workers_of_a_server(
    workers: int, long_workers: int | None, memory: int, expected: tuple[Lane, ...]
) -> None:
    assert lanes_of(JobsSection(workers=workers, long_workers=long_workers), memory or 1) == expected


@pytest.mark.parametrize(
    ("kind", "seconds", "expected"),
    [("Regular", 120.0, SHORT), ("Regular", 120.1, LONG), ("Advanced", 10.0, LONG)],
)
def test_lane_of_a_training(kind: str, seconds: float, expected: Lane) -> None:
    assert training_lane(kind, seconds, JobsSection()) is expected


@pytest.mark.parametrize(("lane", "taken"), [(SHORT, [SHORT]), (LONG, [LONG]), (ALL, [SHORT, LONG])])
def test_workers_take_the_jobs_of_their_lane(server: Server, lane: Lane, taken: list[Lane]) -> None:
    order_long(server)
    order(server, plant(server, "a"))
    turns = Turns(lane=lane)
    assert [take(server, turns).lane for _ in taken] == taken
    assert claim(server.database, "one", turns) is None
    assert [job.worker_lane for job in jobs(server) if job.worker] == [lane] * len(taken)


def test_a_job_of_a_backup_without_lanes_is_short(server: Server) -> None:
    order(server, plant(server, "a"))
    with server.database.write() as session:
        session.scalars(select(JobRow)).one().lane = None
    assert claim(server.database, "one", Turns(lane=LONG)) is None
    assert take(server, Turns(lane=SHORT)).lane is SHORT


def test_trainings_and_exports_alternate(server: Server) -> None:
    projects = [plant(server, "a") for _ in range(4)]
    made = [order(server, project) for project in projects]
    for _ in range(3):
        order_export(server, made[0], "ONNX")
    turns = Turns(lane=SHORT)
    assert [take(server, turns).kind for _ in range(7)] == ["export", "train"] * 3 + ["train"]


def test_first_turns_go_by_age(server: Server) -> None:
    younger, older = plant(server, "a"), plant(server, "a")
    turns = Turns(lane=LONG)
    for project in (older, younger):
        order_long(server, project)
    assert [take(server, turns).project_key for _ in range(2)] == [older.key, younger.key]
    for project in (younger, older):  # that either had a turn before they asked does not count
        order_long(server, project)
    assert [take(server, turns).project_key for _ in range(2)] == [younger.key, older.key]


@pytest.mark.parametrize("seed", range(2))
def test_the_place_says_what_is_taken_next(server: Server, seed: int) -> None:
    chance = random.Random(seed)
    projects = [plant(server, "a") for _ in range(4)]
    turns, foretold = Turns(lane=SHORT), []
    for _ in range(20):
        project = chance.choice(projects)
        action = chance.choice(("training", "import", "import", "take", "take", "end"))
        with server.database.write() as session:
            row = session.get_one(ProjectRow, project.key)
            if action == "end":
                running = select(JobRow).where(JobRow.state == State.RUNNING)
                for job in chance.sample(found := list(session.scalars(running)), min(len(found), 1)):
                    chance.choice((give_back, lambda _, job: setattr(job, "state", State.DONE)))(session, job)
            elif action == "import":
                enqueue(session, JobKind.IMPORT, row)
        trains = {job.project_key for job in jobs(server) if job.kind == "train" and job.state != State.DONE}
        if action == "training" and project.key not in trains:
            order(server, project)
        if action == "take" and (foretold := places(server)):
            assert [claim(server.database, "one", turns).id] == foretold[:1]  # type: ignore[union-attr]
    foretold = places(server)
    assert [take(server, turns).id for _ in foretold] == foretold


def places(server: Server) -> list[str]:
    """The ids of the waiting jobs by place."""
    with server.database.read() as session:
        rows = list(session.scalars(select(JobRow)))
        found = {
            position_of(session, server, job, names=True).place: job.id
            for job in rows
            if job.state == State.WAITING
        }
    running = sum(job.state == State.RUNNING for job in rows)
    assert sorted(found) == [running + 1 + number for number in range(len(found))]
    return [found[place] for place in sorted(found)]


def test_a_long_job_is_not_passed_for_ever(server: Server) -> None:
    seconds = [0.0]
    turns = Turns(clock=lambda: seconds[0])
    many = [plant(server, "a") for _ in range(4)]
    for project in many:
        order(server, project)
    order_long(server)
    assert take(server, turns).lane is SHORT
    with server.database.write() as session:
        for job in session.scalars(select(JobRow)):
            job.created -= timedelta(seconds=LONG_PATIENCE + 1)
    assert take(server, turns).lane is LONG
    order_long(server)
    with server.database.write() as session:
        session.scalars(select(JobRow).order_by(JobRow.key.desc())).first().created -= timedelta(days=1)
    assert take(server, turns).lane is SHORT  # those that waited for the long one have their turn
    seconds[0] = LONG_PATIENCE
    assert [take(server, turns).lane for _ in range(3)] == [LONG, SHORT, SHORT]


@pytest.mark.slow
def test_short_jobs_are_done_while_a_long_one_runs(server: Server) -> None:
    begun, done = threading.Event(), []

    def endless(context: WorkerContext, task: Task) -> None:
        begun.set()
        eventually(task.must_stop)
        raise Cancelled("It was ended.")

    def quick(context: WorkerContext, task: Task) -> None:
        done.append(task.claimed.kind)
        task.complete(lambda session, job: None)

    order_long(server)
    project = plant(server, "a")
    with working(server, {JobKind.TRAIN: endless}, lane=LONG):
        begun.wait(10)
        order_export(server, order(server, project), "ONNX")
        with working(server, {JobKind.TRAIN: quick, JobKind.EXPORT: quick}, lane=SHORT):
            eventually(lambda: len(done) == 2)
        assert [job.state for job in jobs(server) if job.lane == LONG] == ["running"]
        with server.database.write() as session:
            session.execute(delete(ProjectRow).where(ProjectRow.key == project.key))
    assert [job.state for job in jobs(server)] == ["waiting"]


def test_a_project_that_is_deleted_while_it_waits_leaves_no_job(server: Server) -> None:
    gone = plant(server, "a")
    order_long(server, gone)
    with server.database.write() as session:
        session.execute(delete(ProjectRow).where(ProjectRow.key == gone.key))
    assert claim(server.database, "one", Turns()) is None


def test_rows_of_an_older_schema_have_their_lane(server: Server) -> None:
    from alembic import command

    from dahlia.server.database.schema import _config

    order_long(server)
    order(server, plant(server, "a"))
    claim(server.database, "one", Turns(lane=SHORT))
    config = _config()
    for action, revision in ((command.downgrade, "0002"), (command.upgrade, "head")):
        with server.database.engine.connect().execution_options(writes=True) as connection:
            config.attributes["connection"] = connection
            action(config, revision)
            if revision == "0002":
                names = {column["name"] for column in inspect(connection).get_columns("jobs")}
                assert not names & {"lane", "expected", "worker_lane"}
    assert [(job.lane, job.worker_lane, job.expected) for job in jobs(server)] == [
        (LONG, None, None),
        (SHORT, ALL, None),
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_server_starts_a_worker_for_each_lane(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    start = subprocess.Popen

    def popen(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        commands.append(command)
        return start(["cat"], stdin=subprocess.PIPE)

    settings = load_settings(
        None, {"DAHLIA_SERVER_HOME": str(server.settings.server.home), "DAHLIA_JOBS_LONG_WORKERS": "1"}
    )
    server.settings = settings
    monkeypatch.setattr(running.subprocess, "Popen", popen)
    with Workers(server, None) as workers:
        eventually(lambda: len(commands) == 2)
    assert sorted(command[-2:] for command in commands) == [["--lane", "long"], ["--lane", "short"]]
    assert workers.lanes == (SHORT, LONG)


@pytest.mark.parametrize("niceness", [0, 7])
def test_long_work_yields(niceness: int) -> None:
    command = [*guard_command(niceness), sys.executable, "-c", "import os; print(os.nice(0))"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as guard:
        assert guard.stdout is not None
        assert int(guard.stdout.read()) == os.nice(0) + niceness


@pytest.mark.slow
@pytest.mark.usefixtures("forked_stages")
def test_a_real_training_and_export_beside_a_long_one(tmp_path: Path, shipped_graphs: Path) -> None:
    begun = threading.Event()

    def endless(context: WorkerContext, task: Task) -> None:
        begun.set()
        eventually(task.must_stop, 300)
        raise Cancelled("It was ended.")

    share_graphs_of_server(tmp_path / "home", shipped_graphs)
    home = {"DAHLIA_SERVER_HOME": str(tmp_path / "home"), "DAHLIA_JOBS_POLL_SECONDS": "0.05"}
    home["DAHLIA_JOBS_WARM"] = "false"
    server = open_server(load_settings(None, home))
    order_long(server)
    garden = plant(server, "red", "blue")
    add_photos(server, garden, red=6, blue=6)
    with working(server, {JobKind.TRAIN: endless}, lane=LONG):
        begun.wait(10)
        made = order(server, garden)
        with working(server, {JobKind.TRAIN: train, JobKind.EXPORT: export}, lane=SHORT):
            eventually(lambda: jobs(server)[1].state in ("done", "failed"), 240)
            row = order_export(server, made, "ONNX")
            eventually(lambda: jobs(server)[2].state in ("done", "failed"), 120)
        assert [job.state for job in jobs(server)] == ["running", "done", "done"]
    found = exported(server, row)
    assert (found.status, found.error) == ("Done", None)
    assert server.storage.exists(str(found.file_key))
    server.database.close()
