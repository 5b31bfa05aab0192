"""The database's file alone: what it holds when the server has ended, and after a kill."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from reliability_client import Client
from reliability_server import eventually, supervised

pytestmark = pytest.mark.slow


def names_in_copy(file: Path) -> set[str]:
    """Names of projects in a copy of the file without its log."""
    copy = file.with_name("copy.db")
    shutil.copy(file, copy)
    try:
        with closing(sqlite3.connect(copy)) as database:
            return {name for (name,) in database.execute("SELECT name FROM projects")}
    except sqlite3.OperationalError:  # no table is there yet
        return set()
    finally:
        for path in file.parent.glob("copy.db*"):
            path.unlink()


def test_the_file_alone_is_up_to_date(tmp_path: Path) -> None:
    with supervised(tmp_path / "home", DAHLIA_JOBS_WORKERS="0") as server:
        client, file = Client(server.base, server.key), server.home / "dahlia.db"
        client.call("POST", "/projects", params={"name": "first"})
        eventually(lambda: names_in_copy(file) == {"first"}, 30)
        client.call("POST", "/projects", params={"name": "second"})
        server.kill()
        server.start()  # what only the log held is there
        server.wait_until_ready()
        assert {one["name"] for one in client.call("GET", "/projects")} == {"first", "second"}
        client.call("POST", "/projects", params={"name": "third"})
        with closing(sqlite3.connect(file)) as other:  # as a worker that is still ending
            other.execute("SELECT 1 FROM projects").fetchall()
            assert server.stop() == 0
            assert names_in_copy(file) == {"first", "second", "third"}
