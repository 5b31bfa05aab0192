"""Cancelling a job that ends, or begins, between being read and being cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from job_cases import jobs, order, plant
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.database.tables import AuditRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.iterations.iterations import cancel_training, delete_iteration, iteration_of
from dahlia.server.jobs.job import State
from dahlia.server.jobs.listing import cancel_job, find_job
from dahlia.server.jobs.queue import job_of
from dahlia.server.keys.keys import Access, Scope, create_key

pytestmark = pytest.mark.both_databases

STATUSES = {State.RUNNING: "Training", State.DONE: "Completed", State.FAILED: "Failed"}


@pytest.fixture
def access(server: Server) -> Access:
    with server.database.write() as session:
        row, _ = create_key(session, "admin", Scope.ADMIN, None, server.now())
        return Access(row.id, Scope.ADMIN, None)


def write_elsewhere(server: Server, session: Session, *statements: Any) -> None:
    """Write what a session that has read the rows does not see in its objects."""
    if server.database.is_sqlite:  # one writer at a time
        for statement in statements:
            session.execute(statement, execution_options={"synchronize_session": False})
    else:
        with server.database.write() as other:
            for statement in statements:
                other.execute(statement)


def worker_writes(server: Server, session: Session, state: State) -> None:
    """A worker takes or ends the only job."""
    write_elsewhere(
        server,
        session,
        update(JobRow).values(state=state, worker="w"),
        update(IterationRow).values(status=STATUSES[state]),
    )


def both_ways(
    server: Server, session: Session, access: Access, project: str, made: str, job: str
) -> list[Callable[[], Any]]:
    return [
        lambda: cancel_job(session, server, access, job),
        lambda: cancel_training(session, server, access, project, made),
    ]


def actions(session: Session) -> list[str]:
    return list(session.scalars(select(AuditRow.action)))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("state", [State.DONE, State.FAILED])
def test_a_job_that_ends_after_it_was_read(server: Server, access: Access, which: int, state: State) -> None:
    project = plant(server, "a")
    made = order(server, project)
    (job,) = jobs(server)
    with server.database.write() as session:
        kept = find_job(session, job.id), iteration_of(session, project.id, made)
        worker_writes(server, session, state)
        with pytest.raises(ServiceError) as caught:
            both_ways(server, session, access, project.id, made, job.id)[which]()
        assert (caught.value.code, caught.value.status) == ("Conflict", 409)
        assert (state, STATUSES[state])[which] in str(caught.value)
        assert actions(session) == []
        del kept
    (after,) = jobs(server)
    assert (after.state, after.cancel, after.error) == (state, False, None)


@pytest.mark.parametrize("which", [0, 1])
def test_a_job_that_is_deleted_after_it_was_read(server: Server, access: Access, which: int) -> None:
    project = plant(server, "a")
    made = order(server, project)
    (job,) = jobs(server)
    with server.database.write() as session:
        kept = find_job(session, job.id), iteration_of(session, project.id, made)
        write_elsewhere(server, session, delete(JobRow), delete(IterationRow))
        with pytest.raises(ServiceError) as caught:
            both_ways(server, session, access, project.id, made, job.id)[which]()
        assert caught.value.status == 404
        del kept


@pytest.mark.parametrize("which", [0, 1])
def test_a_job_that_begins_after_it_was_read(server: Server, access: Access, which: int) -> None:
    project = plant(server, "a")
    made = order(server, project)
    (job,) = jobs(server)
    with server.database.write() as session:
        kept = find_job(session, job.id), iteration_of(session, project.id, made)
        worker_writes(server, session, State.RUNNING)
        both_ways(server, session, access, project.id, made, job.id)[which]()
        assert actions(session) == [("cancel_job", "cancel_training")[which]]
        del kept
    (after,) = jobs(server)
    assert (after.state, after.cancel, after.worker) == (State.RUNNING, True, "w")


@pytest.mark.parametrize("state", [State.RUNNING, State.DONE])
def test_an_iteration_whose_training_goes_on_while_it_is_deleted(
    server: Server, access: Access, state: State
) -> None:
    project = plant(server, "a")
    made = order(server, project)
    with server.database.write() as session:
        row = iteration_of(session, project.id, made)
        kept = job_of(session, row)
        worker_writes(server, session, state)
        delete_iteration(session, server, access, project.id, made)
        del kept
    assert [(job.state, job.cancel, job.iteration_key) for job in jobs(server)] == (
        [(State.RUNNING, True, None)] if state is State.RUNNING else []
    )
