"""Filters of long lists: SQLite finds the rows in an index, in the order of their keys, and sorts nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from project_cases import UNKNOWN
from sqlalchemy import Connection, event
from sqlalchemy.orm import Session

from dahlia.server.context import Server
from dahlia.server.contract.enums import JobKind, JobState
from dahlia.server.jobs.listing import Wanted, find_jobs
from dahlia.server.keys.audit import Lines, latest

CASES: dict[str, tuple[Callable[[Session], object], str]] = {
    "changes of a project": (lambda session: latest(session, 50, Lines(project=UNKNOWN)), "audit_in_order"),
    "changes with a key": (lambda session: latest(session, 50, Lines(actor=UNKNOWN)), "audit_by_actor"),
    "changes by one operation": (
        lambda session: latest(session, 50, Lines(action="create_tag", below=9)),
        "audit_by_action",
    ),
    "jobs in a state": (lambda session: find_jobs(session, Wanted(state=JobState.DONE), 50), "jobs_waiting"),
    "jobs of a kind": (
        lambda session: find_jobs(session, Wanted(kind=JobKind.TRAIN, below=9), 50),
        "jobs_by_kind",
    ),
    "jobs of a project": (lambda session: find_jobs(session, Wanted(project=UNKNOWN), 50), "jobs_of_project"),
}


@pytest.mark.parametrize(("asks", "index"), CASES.values(), ids=CASES)
def test_a_filtered_list_is_read_from_an_index(
    server: Server, asks: Callable[[Session], object], index: str
) -> None:
    plan = " ".join(step for steps in plans(server, asks) for step in steps)
    assert f"USING INDEX {index} (" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


def plans(server: Server, asks: Callable[[Session], object]) -> list[list[str]]:
    """What SQLite does for each statement of a function."""
    asked: list[tuple[str, Any]] = []

    def note(_: Connection, __: Any, statement: str, values: Any, *___: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, values))

    engine = server.database.engine
    event.listen(engine, "before_cursor_execute", note)
    with server.database.read() as session:
        asks(session)
    event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        return [
            [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            for statement, values in asked
        ]
