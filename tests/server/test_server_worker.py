from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from job_cases import eventually, iteration, jobs, order, plant, states, working
from sqlalchemy import select

from dahlia.errors import TrainingError
from dahlia.server.context import Server, open_server
from dahlia.server.database.errors import DatabaseError
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs.job import CANCELLED, JobKind, LeaseLost
from dahlia.server.jobs.queue import cancel
from dahlia.server.jobs.task import Task
from dahlia.server.jobs.worker import Handler
from dahlia.server.jobs.worker_context import WorkerContext
from dahlia.server.workspaces.workspace import Cancelled
from dahlia.settings.server import load_settings

QUICK = {"DAHLIA_JOBS_WARM": "false", "DAHLIA_JOBS_POLL_SECONDS": "0.02", "DAHLIA_JOBS_LEASE_SECONDS": "1"}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What workers do they do on either database; the queue's tests use both."""
    return f"sqlite:///{tmp_path / 'home' / 'dahlia.db'}"


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server whose workers are quick to notice."""
    places = {"DAHLIA_SERVER_HOME": str(tmp_path / "home"), "DAHLIA_DATABASE_URL": database_url}
    server = open_server(load_settings(None, places | QUICK))
    yield server
    server.database.close()


def finish(context: WorkerContext, task: Task) -> None:
    """What a training does that succeeds."""

    def write(session: Any, job: JobRow) -> None:
        session.get_one(IterationRow, job.iteration_key).status = "Completed"

    task.report("all of it", 1.0)
    task.complete(write)


def fails_with(error: BaseException) -> Handler:
    def fail(context: WorkerContext, task: Task) -> None:
        raise error

    return fail


class Endless:
    """Works until it is told to stop."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.begun = threading.Event()

    def __call__(self, context: WorkerContext, task: Task) -> None:
        task.seconds = self.seconds
        self.begun.set()
        eventually(task.must_stop)
        raise Cancelled("The pipeline was ended.")


def ask_to_cancel(server: Server) -> None:
    with server.database.write() as session:
        cancel(session, session.scalars(select(JobRow)).one(), server.now())


def test_a_job_is_done(server: Server) -> None:
    made = order(server, plant(server, "a"))
    with working(server, {JobKind.TRAIN: finish}):
        eventually(lambda: states(server) == ["done"])
    assert iteration(server, made).status == "Completed"
    assert jobs(server)[0].ended is not None


def test_a_worker_that_can_take_no_job_says_so_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    order(server, plant(server, "a"))
    server.database.refuse_writes("its file is damaged")
    with working(server, {JobKind.TRAIN: finish}):
        eventually(lambda: "No job can be taken now" in caplog.text)
        time.sleep(0.3)  # fifteen more looks
    assert caplog.text.count("No job can be taken now") == 1


def test_a_worker_goes_on_with_the_next(server: Server) -> None:
    made = [order(server, plant(server, "a")) for _ in range(3)]
    with working(server, {JobKind.TRAIN: finish}):
        eventually(lambda: states(server) == ["done"] * 3)
    assert {iteration(server, one).status for one in made} == {"Completed"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TrainingError("Expected two tags, received one. Add another."), "Add another"),
        (OSError(28, "No space left on device"), "No space left on device. See that it has space"),
        (FileNotFoundError(2, "No such file", "/srv/dahlia/photo.jpg"), "No such file (photo.jpg)"),
    ],
)
def test_what_cannot_be_done_fails_with_its_reason(server: Server, error: Exception, reason: str) -> None:
    made = order(server, plant(server, "a"))
    with working(server, {JobKind.TRAIN: fails_with(error)}):
        eventually(lambda: states(server) == ["failed"])
    row = iteration(server, made)
    assert row.status == "Failed"
    assert reason in str(row.error)
    assert jobs(server)[0].error == row.error


def test_a_running_job_is_cancelled(server: Server) -> None:
    made, endless = order(server, plant(server, "a")), Endless()
    with working(server, {JobKind.TRAIN: endless}):
        endless.begun.wait(10)
        ask_to_cancel(server)
        eventually(lambda: states(server) == ["cancelled"])
    assert (iteration(server, made).status, iteration(server, made).error) == ("Failed", CANCELLED)


def test_what_was_cancelled_is_not_completed(server: Server) -> None:
    made = order(server, plant(server, "a"))

    def cancelled_at_the_end(context: WorkerContext, task: Task) -> None:
        ask_to_cancel(server)
        finish(context, task)

    with working(server, {JobKind.TRAIN: cancelled_at_the_end}):
        eventually(lambda: states(server) == ["cancelled"])
    assert iteration(server, made).status == "Failed"


def test_what_fails_after_it_was_cancelled_was_cancelled(server: Server) -> None:
    made = order(server, plant(server, "a"))

    def fail(context: WorkerContext, task: Task) -> None:
        ask_to_cancel(server)
        raise TrainingError("The stage train was killed.")

    with working(server, {JobKind.TRAIN: fail}):
        eventually(lambda: states(server) == ["cancelled"])
    assert iteration(server, made).error == CANCELLED


def test_a_worker_that_ends_lets_its_job_wait_for_another(server: Server) -> None:
    made, endless = order(server, plant(server, "a")), Endless()
    with working(server, {JobKind.TRAIN: endless}):
        endless.begun.wait(10)
    assert (states(server), jobs(server)[0].attempts) == (["waiting"], 0)
    with working(server, {JobKind.TRAIN: finish}):
        eventually(lambda: states(server) == ["done"])
    assert iteration(server, made).status == "Completed"


def test_what_takes_too_long_fails(server: Server) -> None:
    made = order(server, plant(server, "a"))
    with working(server, {JobKind.TRAIN: Endless(seconds=0.1)}):
        eventually(lambda: states(server) == ["failed"])
    assert "jobs.training_timeout_hours" in str(iteration(server, made).error)


def test_a_worker_that_lost_its_lease_completes_nothing(server: Server) -> None:
    made = order(server, plant(server, "a"))
    lost: list[BaseException] = []

    def overtaken(context: WorkerContext, task: Task) -> None:
        with server.database.write() as session:
            session.get_one(JobRow, task.claimed.key).worker = "another"
        try:
            finish(context, task)
        except LeaseLost as error:
            lost.append(error)
            raise

    with working(server, {JobKind.TRAIN: overtaken}, worker="one"):
        eventually(lambda: lost)
    assert iteration(server, made).status == "Training"


def test_a_worker_notices_that_its_job_was_taken(server: Server) -> None:
    order(server, plant(server, "a"))
    endless, seen = Endless(), threading.Event()

    def watching(context: WorkerContext, task: Task) -> None:
        try:
            endless(context, task)
        finally:
            seen.set()

    with working(server, {JobKind.TRAIN: watching}):
        endless.begun.wait(10)
        with server.database.write() as session:
            session.scalars(select(JobRow)).one().worker = "another"
        assert seen.wait(10)
    assert [job.worker for job in jobs(server)] == ["another"]


def test_jobs_of_workers_that_are_gone_are_taken_over(server: Server) -> None:
    made = order(server, plant(server, "a"))
    with server.database.write() as session:
        job = session.scalars(select(JobRow)).one()
        job.state, job.worker, job.attempts = "running", "gone", 1
    with working(server, {JobKind.TRAIN: finish}):
        eventually(lambda: states(server) == ["done"])
    assert iteration(server, made).status == "Completed"


def test_a_database_that_is_away_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    made, away = order(server, plant(server, "a")), [True, True]
    write = server.database.write

    @contextmanager
    def sometimes() -> Iterator[Any]:
        with write() as session:
            yield session
            if completing.is_set() and away and session.dirty:
                away.pop()
                raise DatabaseError("the connection to it is lost")

    completing = threading.Event()

    def handler(context: WorkerContext, task: Task) -> None:
        completing.set()
        finish(context, task)

    monkeypatch.setattr(server.database, "write", sometimes)
    with working(server, {JobKind.TRAIN: handler}):
        eventually(lambda: states(server) == ["done"])
    assert not away
    assert iteration(server, made).status == "Completed"


def test_a_worker_loads_no_heavy_library() -> None:
    heavy = ("torch", "tensorflow", "mlflow", "sklearn", "pandas", "lightning", "onnxruntime", "scipy")
    script = (
        "import sys, dahlia.server.jobs.worker, dahlia.server.context, dahlia.settings.server;"
        f"sys.exit(str([m for m in {heavy} if m in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True)
    assert ended.stderr.strip() == "[]"


SCRIPT = """
import os, sys, threading, time
from dahlia.server.jobs.worker import work
from dahlia.server.jobs.job import JobKind
from dahlia.server.context import open_server
from dahlia.settings.server import load_settings
from dahlia.server.workspaces.workspace import Cancelled

def endless(context, task):
    print("begun", flush=True)
    while not task.must_stop():
        time.sleep(0.02)
    raise Cancelled("ended")

def quick(context, task):
    task.complete(lambda session, job: None)

server = open_server(load_settings(None, os.environ))
work(server, attached=sys.argv[2:] == ["attached"], handlers={JobKind.TRAIN: globals()[sys.argv[1]]})
"""


@contextmanager
def process(server: Server, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A worker in a process of its own, killed at the end of the block."""
    settings = server.settings
    places = {
        "DAHLIA_SERVER_HOME": str(settings.server.home),
        "DAHLIA_DATABASE_URL": settings.database_url.reveal(),
    }
    started = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        env=os.environ | places | QUICK,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with started:
        yield started
        started.kill()


def begun(worker: subprocess.Popen[str]) -> bool:
    assert worker.stdout is not None
    return worker.stdout.readline() == "begun\n"


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["SIGTERM", "SIGINT", "end of input"])
def test_a_worker_process_ends_in_order(server: Server, ending: str) -> None:
    order(server, plant(server, "a"))
    with process(server, "endless", "attached") as worker:
        assert begun(worker)
        if ending == "end of input":
            assert worker.stdin is not None
            worker.stdin.close()
        else:
            worker.send_signal(getattr(signal, ending))
        assert worker.wait(15) == 0
    assert (states(server), jobs(server)[0].attempts) == (["waiting"], 0)


@pytest.mark.slow
def test_what_a_killed_process_left_another_finishes(server: Server) -> None:
    order(server, plant(server, "a"))
    with process(server, "endless") as first:
        assert begun(first)
        first.kill()
        first.wait(10)
        assert states(server) == ["running"]
        with process(server, "quick"):
            eventually(lambda: states(server) == ["done"])
    assert jobs(server)[0].attempts == 2
