"""A server whose database is gone, or is another: no photo is lost, and the way back is said."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from reliability_client import Client, new_photo
from reliability_server import Supervised, end, supervised

from dahlia.server.storage.names import IDENTITY

pytestmark = pytest.mark.slow

FAST = {
    "DAHLIA_JOBS_WORKERS": "0",
    "DAHLIA_CLEANING_EVERY_SECONDS": "0.1",
    "DAHLIA_CLEANING_DELETED_HOURS": "0",
    "DAHLIA_CLEANING_SETTLING_MINUTES": "0",
    "DAHLIA_CLEANING_SEARCH_HOURS": "0.0001",
}


def fill(server: Supervised, photos: int) -> str:
    """A project with photos; its path."""
    client, random = Client(server.base, server.key), np.random.default_rng(0)
    project = client.call("POST", "/projects", params={"name": "garden"})["id"]
    for _ in range(photos):
        client.call("POST", f"/projects/{project}/images", data=new_photo(random, "red"))
    return f"/projects/{project}"


def stored(home: Path) -> dict[Path, int]:
    """All files of the storage with their sizes."""
    paths = (path for path in (home / "files").rglob("*") if path.is_file() and path.name != IDENTITY)
    return {path: path.stat().st_size for path in paths}


def age(home: Path) -> None:
    moment = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for path in stored(home):
        os.utime(path, (moment, moment))


def lose_rows(home: Path) -> None:
    for path in home.glob("dahlia.db*"):
        path.unlink()


def refused(server: Supervised) -> str:
    """What a server that does not start says."""
    done = server.run()
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "key:" not in done.stdout  # no new keys
    return done.stderr


def test_a_lost_database_costs_no_photo(tmp_path: Path) -> None:
    with supervised(tmp_path / "home", **FAST) as server:
        fill(server, 6)
    age(server.home)
    before = stored(server.home)
    lose_rows(server.home)
    for _ in range(2):  # the refusal itself leaves nothing behind that would let the next start in
        text = refused(server)
        assert "received a new, empty one" in text
        assert "dahlia restore" in text
        assert "dahlia rescue" in text
    assert stored(server.home) == before
    rescued = server.run("rescue", "--yes")
    assert rescued.returncode == 0, rescued.stderr
    key = re.findall(r"^Training key: +(\S+)", rescued.stdout, re.MULTILINE)[-1]
    with supervised(server.home, **FAST) as server:
        client = Client(server.base, key)
        (project,) = client.call("GET", "/projects")
        assert project["name"] == "Rescued images"
        assert client.call("GET", f"/projects/{project['id']}/images/untagged/count") == 6
    assert stored(server.home) == before


def test_two_databases_on_one_prefix_are_refused(tmp_path: Path) -> None:
    with supervised(tmp_path / "home", **FAST) as server:
        fill(server, 2)
        other = Supervised(tmp_path / "other", **FAST, DAHLIA_STORAGE_URL=str(server.home / "files"))
        assert "received a new, empty one" in refused(other)


def test_a_copy_that_is_put_back_is_recognised_as_old(tmp_path: Path) -> None:
    with supervised(tmp_path / "home", **FAST) as server:
        path = fill(server, 2)
    copy = (server.home / "dahlia.db").read_bytes()
    try:
        server.start()
        server.wait_until_ready()
        Client(server.base, server.key).call("POST", f"{path}/tags", params={"name": "rose"})
        assert server.stop() == 0
        age(server.home)
        before = stored(server.home)
        lose_rows(server.home)
        (server.home / "dahlia.db").write_bytes(copy)
        assert "ends 1 changes earlier" in refused(server)
        assert stored(server.home) == before
    finally:
        end(server)


def test_an_adopted_storage_keeps_what_the_database_does_not_know(tmp_path: Path) -> None:
    with supervised(tmp_path / "home", **FAST) as server:
        fill(server, 6)
    age(server.home)
    before = stored(server.home)
    lose_rows(server.home)
    refused(server)
    assert server.run("adopt", "--yes").returncode == 0
    with supervised(server.home, **FAST) as server:
        time.sleep(2)  # cleaning runs ten times a second
        assert stored(server.home) == before
        assert "belong to no image and no iteration" in server.text
