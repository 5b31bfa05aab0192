"""The write-ahead log is brought into the database's file, so that the file alone holds the rows."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from server_rows import add_project
from sqlalchemy import select

from dahlia.server.context import Server, open_server
from dahlia.server.database.checkpoints import Checkpoints, checkpoint
from dahlia.server.database.tables import ProjectRow
from dahlia.settings.server import load_settings

pytestmark = pytest.mark.both_databases


def names_in_copy(file: Path) -> set[str]:
    """Names of projects in a copy of the file without its log."""
    copy = file.with_name("copy.db")
    shutil.copy(file, copy)
    try:
        with closing(sqlite3.connect(copy)) as database:
            return {name for (name,) in database.execute("SELECT name FROM projects")}
    finally:
        for path in file.parent.glob("copy.db*"):
            path.unlink()


def log_size(file: Path) -> int:
    return Path(f"{file}-wal").stat().st_size


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Server]:
    """A server on SQLite."""
    server = open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(tmp_path)}))
    checkpoint(server.database)
    yield server
    server.database.close()


def test_without_a_checkpoint_the_file_lags_behind(lite: Server, tmp_path: Path) -> None:
    add_project(lite, "garden")
    assert names_in_copy(tmp_path / "dahlia.db") == set()


def test_a_checkpoint_brings_the_file_up_to_date_and_empties_the_log(lite: Server, tmp_path: Path) -> None:
    file = tmp_path / "dahlia.db"
    add_project(lite, "garden")
    assert log_size(file) > 0
    assert checkpoint(lite.database)
    assert names_in_copy(file) == {"garden"}
    assert log_size(file) == 0


def test_a_checkpoint_waits_for_no_reader(lite: Server, tmp_path: Path) -> None:
    file = tmp_path / "dahlia.db"
    with lite.database.read() as session:
        assert session.scalars(select(ProjectRow.name)).all() == []
        add_project(lite, "garden")
        began = time.monotonic()
        assert not checkpoint(lite.database)
        assert time.monotonic() - began < 10  # half of what a writer would wait
        assert session.scalars(select(ProjectRow.name)).all() == []
    assert checkpoint(lite.database)
    assert names_in_copy(file) == {"garden"}


def test_a_connection_that_made_a_checkpoint_waits_for_others_as_before(lite: Server) -> None:
    add_project(lite)
    checkpoint(lite.database)
    with lite.database.read() as session:
        assert session.connection().exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 20_000


def test_checkpoints_go_on_beside_writers(lite: Server, tmp_path: Path) -> None:
    checkpoints = Checkpoints(lite.database, 0.001)
    checkpoints.start()
    writers = [
        threading.Thread(target=lambda part=part: [add_project(lite, f"{part}-{n}") for n in range(30)])
        for part in range(3)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    until = time.monotonic() + 10
    while len(names_in_copy(tmp_path / "dahlia.db")) < 90:
        assert time.monotonic() < until
        time.sleep(0.01)
    checkpoints.stop()
    assert log_size(tmp_path / "dahlia.db") == 0


def test_the_last_checkpoint_is_made_at_the_end(lite: Server, tmp_path: Path) -> None:
    checkpoints = Checkpoints(lite.database, 3600)
    checkpoints.start()
    add_project(lite, "garden")
    checkpoints.stop()
    assert names_in_copy(tmp_path / "dahlia.db") == {"garden"}


def test_a_log_that_grew_is_cut_back(lite: Server, tmp_path: Path) -> None:
    file = tmp_path / "dahlia.db"
    with lite.database.read() as session:
        session.scalars(select(ProjectRow.name)).all()
        for number in range(20):  # the reader keeps all of it in the log
            add_project(lite, "large", description="x" * (1 << 20), pipeline_name=f"large-{number}")
        assert log_size(file) > 20 << 20
    add_project(lite, "small")  # SQLite's own checkpoint, and the log from its start again
    add_project(lite, "small", pipeline_name="small-2")
    assert log_size(file) <= 16 << 20


def test_postgresql_needs_none(server: Server) -> None:
    add_project(server)
    assert checkpoint(server.database)


def test_a_damaged_file_is_left_as_it_was_found(lite: Server, tmp_path: Path) -> None:
    add_project(lite, "garden")
    lite.database.damage = "database disk image is malformed"
    before = (tmp_path / "dahlia.db").read_bytes()
    checkpoints = Checkpoints(lite.database, 0.001)
    checkpoints.start()
    time.sleep(0.05)
    checkpoints.stop()
    assert (tmp_path / "dahlia.db").read_bytes() == before
