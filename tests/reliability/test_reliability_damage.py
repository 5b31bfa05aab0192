"""A database file that is damaged under a running server."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import requests
from reliability_client import TRAINING, Client
from reliability_server import supervised

pytestmark = pytest.mark.slow

PAGE = 4096


def spoil(file: Path, pages: list[int]) -> None:
    """Put noise in the place of pages, behind the server's back."""
    with file.open("r+b") as written:
        for page in pages:
            written.seek((page - 1) * PAGE)
            written.write(os.urandom(PAGE))


def test_a_damaged_database_is_said_once_and_what_can_be_read_is_answered(tmp_path: Path) -> None:
    with supervised(tmp_path / "home", DAHLIA_JOBS_WORKERS="0") as server:
        client, file = Client(server.base, server.key), server.home / "dahlia.db"
        project = client.call("POST", "/projects", params={"name": "garden"})["id"]
        assert server.stop() == 0
        with closing(sqlite3.connect(file)) as database:
            found = database.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'tags'")
            pages = [page for (page,) in found]
        server.start()
        server.wait_until_ready()
        spoil(file, pages)
        tags = f"{TRAINING}/projects/{project}/tags"
        refused = client.raw("GET", tags)
        assert refused.status_code == 503
        assert "is damaged" in refused.json()["message"]
        for _ in range(3):
            assert [one["id"] for one in client.call("GET", "/projects")] == [project]
            assert client.raw("POST", f"{TRAINING}/projects", params={"name": "more"}).status_code == 503
        ready = requests.get(f"{server.base}/readyz", timeout=10)
        assert ready.status_code == 503
        assert "is damaged" in ready.json()["message"]
        assert server.text.count("Nothing more is written to it") == 1
        assert server.stop() == 0
        assert "Traceback" not in server.text
        assert server.run().returncode == 2  # it does not start again with such a file
