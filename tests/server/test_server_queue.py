from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from job_cases import Planted, iteration, jobs, order, order_export, plant, states
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import ExportRow, IterationRow, JobRow
from dahlia.server.jobs.job import Claimed, Directive, JobKind, LeaseLost, State
from dahlia.server.jobs.leases import (
    MOST_ATTEMPTS,
    Watch,
    give_back,
    new_worker_id,
    release,
    release_the_dead,
)
from dahlia.server.jobs.order import Turns
from dahlia.server.jobs.queue import beat, cancel, claim, enqueue, held, job_of

pytestmark = pytest.mark.both_databases


def enqueue_many(server: Server, *projects: Planted) -> None:
    """An import job for each, one after the other."""
    for project in projects:
        with server.database.write() as session:
            enqueue(
                session, JobKind.IMPORT, session.get_one(ProjectRow, project.key), None, {"from": "there"}
            )


def taken(server: Server, worker: str = "one", turns: Turns | None = None) -> Claimed:
    claimed = claim(server.database, worker, turns or Turns())
    assert claimed is not None
    return claimed


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_job_waits_until_it_is_claimed(server: Server) -> None:
    project = plant(server, "a")
    made = order(server, project)
    assert claim(server.database, "one", Turns([JobKind.EXPORT])) is None
    claimed = taken(server)
    assert (claimed.kind, claimed.attempt, claimed.worker) == ("train", 1, "one")
    assert (claimed.project_key, claimed.payload) == (project.key, {})
    assert claimed.iteration_key == iteration(server, made).key
    assert claim(server.database, "two", Turns()) is None
    assert states(server) == [State.RUNNING]


def test_an_idle_project_without_jobs_has_none(server: Server) -> None:
    made = order(server, plant(server, "a"))
    with server.database.read() as session:
        row = session.scalars(select(IterationRow).where(IterationRow.id == made)).one()
        found = job_of(session, row)
        assert found is not None
        assert found.state == State.WAITING
        assert job_of(session, row, JobKind.EXPORT) is None


def test_a_project_has_one_training_under_way(server: Server) -> None:
    project = plant(server, "a")
    order(server, project)
    with pytest.raises(IntegrityError):
        order(server, project)
    claimed = taken(server)
    with pytest.raises(IntegrityError):
        order(server, project)
    with server.database.write() as session:
        cancel(session, session.get_one(JobRow, claimed.key), server.now())
    with pytest.raises(IntegrityError):  # it still runs
        order(server, project)
    with server.database.write() as session:
        held(session, claimed).state = State.DONE
    order(server, project)
    assert states(server) == [State.DONE, State.WAITING]


def test_jobs_of_a_project_are_taken_oldest_first(server: Server) -> None:
    project = plant(server, "a")
    enqueue_many(server, project, project, project)
    expected = [job.id for job in jobs(server)]
    assert [taken(server).id for _ in expected] == expected


def test_projects_take_turns(server: Server) -> None:
    many, few, late = plant(server), plant(server), plant(server)
    enqueue_many(server, many, many, many, few, few, late)
    order_of, turns = [], Turns()
    for _ in range(6):
        claimed = taken(server, turns=turns)
        order_of.append(claimed.project_key)
        with server.database.write() as session:
            held(session, claimed).state = State.DONE
    assert order_of == [one.key for one in (many, few, late, many, few, many)]


def test_a_project_that_is_being_served_waits_for_others(server: Server) -> None:
    busy, idle = plant(server), plant(server)
    enqueue_many(server, busy, busy, idle)
    assert [taken(server).project_key for _ in range(3)] == [busy.key, idle.key, busy.key]


def test_workers_at_once_never_take_the_same_job(server: Server) -> None:
    enqueue_many(server, *[plant(server) for _ in range(4)] * 6)

    def drain(worker: str) -> list[int]:
        keys: list[int] = []
        while claimed := claim(server.database, worker, Turns()):
            keys.append(claimed.key)
        return keys

    with ThreadPoolExecutor(4) as pool:
        found = [key for keys in pool.map(drain, ["one", "two", "three", "four"]) for key in keys]
    assert sorted(found) == [job.key for job in jobs(server)]


def test_a_beat_keeps_what_is_said_and_hears_what_to_do(server: Server) -> None:
    order(server, plant(server, "a"))
    claimed = taken(server)
    before = jobs(server)[0].beat
    assert beat(server.database, claimed, {"stage": "train", "fraction": 0.5}) is Directive.GO_ON
    assert jobs(server)[0].beat == before + 1
    assert jobs(server)[0].progress == {"stage": "train", "fraction": 0.5}
    with server.database.write() as session:
        cancel(session, session.get_one(JobRow, claimed.key), server.now())
    assert beat(server.database, claimed, {}) is Directive.CANCEL


def test_a_job_that_is_deleted_is_lost(server: Server) -> None:
    project = plant(server, "a")
    order(server, project)
    claimed = taken(server)
    with server.database.write() as session:
        session.execute(delete(ProjectRow).where(ProjectRow.key == project.key))
    assert beat(server.database, claimed, {}) is Directive.LOST
    with pytest.raises(LeaseLost), server.database.write() as session:
        held(session, claimed)


def test_cancelling_what_waits_ends_it_at_once(server: Server) -> None:
    made = order(server, plant(server, "a"))
    with server.database.write() as session:
        cancel(session, session.scalars(select(JobRow)).one(), server.now())
    assert states(server) == [State.CANCELLED]
    assert (iteration(server, made).status, iteration(server, made).error) == ("Failed", "Cancelled")
    with server.database.write() as session:  # once more changes nothing
        cancel(session, session.scalars(select(JobRow)).one(), server.now())
    assert states(server) == [State.CANCELLED]


def test_a_worker_that_beats_keeps_its_job(server: Server) -> None:
    order(server, plant(server, "a"))
    claimed, clock = taken(server), Clock()
    watch = Watch(server.database, 15, clock)
    for _ in range(40):
        clock.seconds += 3
        beat(server.database, claimed, {})
        assert watch.look() == 0
    assert states(server) == [State.RUNNING]


def test_a_job_is_taken_from_a_worker_that_stands_still(server: Server) -> None:
    made = order(server, plant(server, "a"))
    claimed, clock = taken(server), Clock()
    server.now = lambda: datetime.now(UTC) - timedelta(days=400)  # a clock that jumps back tells nothing
    watch = Watch(server.database, 15, clock)
    looks = []
    for _ in range(6):
        looks.append(watch.look())
        clock.seconds += 3
    assert looks == [0] * 5 + [1]
    assert states(server) == [State.WAITING]
    again = taken(server, "two")
    assert (again.id, again.attempt) == (claimed.id, 2)
    assert beat(server.database, claimed, {}) is Directive.LOST
    with pytest.raises(LeaseLost), server.database.write() as session:
        held(session, claimed)
    assert iteration(server, made).status == "Training"


def test_a_watch_that_slept_has_seen_nothing(server: Server) -> None:
    order(server, plant(server, "a"))
    taken(server)
    clock = Clock()
    watch = Watch(server.database, 15, clock)
    watch.look()
    clock.seconds += 10_000
    assert watch.look() == 0
    assert states(server) == [State.RUNNING]


def test_two_watches_take_a_job_over_once(server: Server) -> None:
    order(server, plant(server, "a"))
    taken(server)
    clock = Clock()
    watches = [Watch(server.database, 2, clock) for _ in range(2)]
    found = 0
    for _ in range(8):
        found += sum(watch.look() for watch in watches)
        clock.seconds += 0.5
    assert found == 1


def test_a_job_that_ends_its_worker_each_time_fails_with_a_reason(server: Server) -> None:
    made = order(server, plant(server, "a"))
    for attempt in range(MOST_ATTEMPTS):
        claimed = taken(server, f"host-{attempt}")
        assert claimed.attempt == attempt + 1
        beat(server.database, claimed, {"stage": "train"})
        clock = Clock()
        watch = Watch(server.database, 1, clock)
        for _ in range(6):
            watch.look()
            clock.seconds += 0.25
    assert states(server) == [State.FAILED]
    row = iteration(server, made)
    assert row.status == "Failed"
    assert "started 3 times" in str(row.error)
    assert "stage train" in str(row.error)


@pytest.mark.parametrize("kind", ["export", "import"])
def test_what_waits_for_a_failed_job_is_told(server: Server, kind: str) -> None:
    project = plant(server, "a")
    if kind == "export":
        made = order(server, project)
        with server.database.write() as session:
            cancel(session, session.scalars(select(JobRow)).one(), server.now())
        order_export(server, made, "ONNX")
    else:
        enqueue_many(server, project)
        with server.database.write() as session:
            session.get_one(ProjectRow, project.key).status = "Importing"
    for _ in range(MOST_ATTEMPTS):
        taken(server, new_worker_id())
        assert release(server.database, os.getpid()) == 1
    with server.database.read() as session:
        table = ExportRow if kind == "export" else ProjectRow
        assert [row.status for row in session.scalars(select(table))] == ["Failed"]


def test_a_cancelled_job_is_not_begun_again(server: Server) -> None:
    made = order(server, plant(server, "a"))
    claimed = taken(server, new_worker_id())
    with server.database.write() as session:
        cancel(session, session.get_one(JobRow, claimed.key), server.now())
    assert release(server.database, os.getpid()) == 1
    assert states(server) == [State.CANCELLED]
    assert iteration(server, made).error == "Cancelled"


def test_releasing_a_process_touches_no_other(server: Server) -> None:
    enqueue_many(server, plant(server), plant(server))
    mine, other = new_worker_id(), new_worker_id().replace(f"-{os.getpid()}-", f"-{os.getpid()}1-")
    taken(server, mine)
    taken(server, other)
    assert release(server.database, os.getpid()) == 1
    assert [job.worker for job in jobs(server)] == [None, other]
    assert release(server.database, 1) == 0


def test_workers_of_this_machine_that_are_gone_lose_their_jobs(server: Server) -> None:
    enqueue_many(server, plant(server), plant(server), plant(server))
    gone = subprocess.Popen(["true"])
    gone.wait()
    alive, dead, elsewhere = (
        new_worker_id(),
        new_worker_id().replace(f"-{os.getpid()}-", f"-{gone.pid}-"),
        f"another.machine-{gone.pid}-0123",
    )
    for name in (alive, dead, elsewhere):
        taken(server, name)
    assert release_the_dead(server.database) == 1
    assert [job.worker for job in jobs(server)] == [alive, None, elsewhere]
    assert release_the_dead(server.database) == 0


def test_what_is_given_back_was_no_attempt(server: Server) -> None:
    order(server, plant(server, "a"))
    for _ in range(MOST_ATTEMPTS + 2):
        claimed = taken(server)
        assert claimed.attempt == 1
        with server.database.write() as session:
            give_back(session, held(session, claimed))
    assert states(server) == [State.WAITING]


def test_worker_names_are_never_the_same() -> None:
    assert new_worker_id() != new_worker_id()
    assert f"-{os.getpid()}-" in new_worker_id()
