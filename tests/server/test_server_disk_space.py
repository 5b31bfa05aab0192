"""Room on the server's disks: measured, held in reserve, and required for what is added."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from image_cases import entry
from prediction_cases import add_iteration, asked, new_garden, picture, publish, talking
from project_cases import make_project
from starlette.testclient import TestClient

from dahlia.errors import ServiceError
from dahlia.server import disk as reserves
from dahlia.server.api.parameters import training_router
from dahlia.server.app import _ROUTERS
from dahlia.server.context import Server
from dahlia.server.database.errors import DatabaseError
from dahlia.server.database.sessions import Database
from dahlia.server.disk import RESERVE, DiskSpace, Reserve, SpaceWatch
from dahlia.server.http.access import NO_ADDITIONS
from dahlia.server.http.page import reasons

MEGABYTE = 1 << 20
FLOOR = 16 * MEGABYTE


class Disk:
    """What `statvfs` says of every disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 100 * MEGABYTE
        monkeypatch.setattr(reserves.os, "statvfs", self._statvfs)

    def _statvfs(self, _: Path) -> Any:
        return os.statvfs_result((4096, 4096, 0, 0, self.free // 4096, 0, 0, 0, 0, 255))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def short(server: Server, disk: Disk) -> Disk:
    """The server's disks have five megabytes, and should have sixteen."""
    server.space = DiskSpace({"storage": server.settings.server.home}, FLOOR, fresh=0)
    disk.free = 5 * MEGABYTE
    return disk


def test_each_change_is_logged_once(disk: Disk, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    space = DiskSpace({"home": tmp_path / "not" / "yet", "storage": tmp_path}, FLOOR, fresh=0)
    for free in (100, 90, 3, 2, 3, 80, 90, 1):
        disk.free = free * MEGABYTE
        assert (space.shortage() is None) == (free > 16)
    logged = [record.getMessage() for record in caplog.records]
    assert [text.split(" (")[0] for text in logged] == [
        "The disk of the server's home",
        "The disks have room again; additions are taken.",
        "The disk of the server's home",
    ]
    assert "3 MB free, expected 16 (server.min_free_mb)" in logged[0]


def test_a_measurement_counts_for_a_while(disk: Disk, tmp_path: Path) -> None:
    space = DiskSpace({"home": tmp_path}, FLOOR, fresh=3600)
    assert space.shortage() is None
    disk.free = 0
    assert space.shortage() is None


def test_without_a_floor_nothing_is_short(disk: Disk, tmp_path: Path) -> None:
    disk.free = 0
    assert DiskSpace({"home": tmp_path}, 0, fresh=0).shortage() is None


def test_a_disk_that_does_not_answer_is_not_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(reserves.os, "statvfs", fail)
    assert DiskSpace({"home": tmp_path}, FLOOR, fresh=0).shortage() is None


def test_the_refusal_says_what_to_do(disk: Disk, tmp_path: Path) -> None:
    disk.free = 3 * MEGABYTE
    with pytest.raises(ServiceError, match=r"Expected 16 MB free .* found 3.*delete images") as refused:
        DiskSpace({"home": tmp_path}, FLOOR, fresh=0).require()
    assert (refused.value.status, refused.value.retry_after) == (503, 10)


def test_a_reserve_takes_room_and_gives_it_up(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    assert reserve.size == 0
    reserve.release()  # there is none yet
    reserve.fill(3 * MEGABYTE)
    about = (tmp_path / RESERVE).stat()
    assert (about.st_size, about.st_mode & 0o777) == (3 * MEGABYTE, 0o600)
    assert about.st_blocks * 512 >= 3 * MEGABYTE  # no hole
    reserve.fill(MEGABYTE)
    assert reserve.size == MEGABYTE
    reserve.release()
    assert (tmp_path / RESERVE).stat().st_blocks == 0


def test_a_reserve_that_does_not_fit_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reserves.os, "posix_fallocate", fail)
    with pytest.raises(OSError, match="No space left"):
        Reserve(tmp_path).fill(MEGABYTE)
    assert Reserve(tmp_path).size == 0


@pytest.mark.parametrize(("free", "kept"), [(100, True), (1, True), (0.9, False), (0, False)])
def test_a_write_without_room_gives_the_reserve_up(
    free: float, kept: bool, disk: Disk, tmp_path: Path
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'dahlia.db'}")
    assert database.reserve is not None
    database.reserve.fill(MEGABYTE)
    disk.free = int(free * MEGABYTE)
    with database.read():
        pass
    assert database.reserve.size == MEGABYTE
    with database.write():
        pass
    assert (database.reserve.size == MEGABYTE) == kept
    database.close()


def test_a_write_that_fails_for_want_of_room_gives_the_reserve_up(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'dahlia.db'}")
    assert database.reserve is not None
    database.reserve.fill(MEGABYTE)
    with database.write() as session:
        session.connection().exec_driver_sql("CREATE TABLE wide (text)")
        session.connection().exec_driver_sql("PRAGMA max_page_count = 3")
    with pytest.raises(DatabaseError, match="its disk is full"), database.write() as session:
        session.connection().exec_driver_sql("INSERT INTO wide VALUES (zeroblob(100000))")
    assert database.reserve.size == 0
    database.close()


def test_the_reserve_is_filled_when_there_is_room(disk: Disk, tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    watch = SpaceWatch(DiskSpace({"home": tmp_path}, FLOOR, fresh=0), reserve)
    sizes = []
    for free in (15, 18, 20, 5, 20):
        disk.free = free * MEGABYTE
        watch.look()
        sizes.append(reserve.size // MEGABYTE)
    assert sizes == [0, 0, 4, 4, 4]


def post_routes() -> Iterator[APIRoute]:
    for router in _ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and "POST" in route.methods:
                yield route


def test_what_needs_no_room_is_there() -> None:
    assert training_router("x").prefix  # the routes are those of the training API
    assert {route.name for route in post_routes()} >= NO_ADDITIONS


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/projects?name=more", None),
        ("POST", "/projects/{project}/tags?name=more", None),
        ("POST", "/projects/{project}/images/files", {"images": [entry(1)]}),
        ("POST", "/projects/{project}/images/urls", {"images": [{"url": "http://127.0.0.1/a.jpg"}]}),
        ("POST", "/projects/{project}/train", None),
        ("POST", "/projects/{project}/iterations/{iteration}/export?platform=ONNX", None),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_additions_are_refused_and_the_rest_is_not(
    method: str, path: str, body: Any, client: TestClient, server: Server, short: Disk
) -> None:
    project = new_garden(server)
    iteration = add_iteration(server, project)
    place = path.format(project=project.id, iteration=iteration.id)
    answer = client.request(method, place, json=body)
    assert answer.status_code == 503
    assert "Nothing was added" in answer.json()["message"]
    for other in (f"/projects/{project.id}/tags", f"/projects/{project.id}/images"):
        assert client.get(other).status_code == 200
    assert client.delete(f"/projects/{project.id}/iterations/{iteration.id}").status_code == 204
    assert client.delete(f"/projects/{project.id}").status_code == 204
    assert list(server.storage.keys("iterations")) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_has_no_key_learns_nothing(client: TestClient, short: Disk) -> None:
    client.headers["Training-Key"] = "wrong"
    assert client.post("/projects", params={"name": "more"}).status_code == 401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_predictions_are_answered_and_not_kept(server: Server, key: str, disk: Disk) -> None:
    project = new_garden(server)
    publish(server, add_iteration(server, project), "live")
    server.space = DiskSpace({"storage": server.settings.server.home}, FLOOR, fresh=0)
    with talking(server, key) as client:
        for free, kept in ((5, "false"), (50, "true")):
            disk.free = free * MEGABYTE
            answer = client.post(asked(project), content=picture())
            assert (answer.status_code, answer.headers["dahlia-stored"]) == (200, kept)
        assert len(client.post(f"/projects/{project.id}/predictions/query", json={}).json()["results"]) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_readiness_says_what_is_wrong(client: TestClient, server: Server, disk: Disk) -> None:
    server.space = DiskSpace({"storage": server.settings.server.home}, FLOOR, fresh=0)
    assert client.get("http://testserver/readyz").json() == {"status": "ok"}
    disk.free = 5 * MEGABYTE
    server.database.refuse_writes("its file is damaged")
    answer = client.get("http://testserver/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["reasons"] == reasons(server)
    refused, full = answer.json()["reasons"]
    assert "takes no writes: its file is damaged" in refused
    assert "nearly full (5 MB free)" in full
    assert str(server.settings.server.home) not in answer.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_line_for_many_refusals(
    client: TestClient, server: Server, short: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    make = lambda: client.post("/projects", params={"name": "more"})  # noqa: E731
    caplog.set_level(logging.INFO)
    assert {make().status_code for _ in range(20)} == {503}
    lines = [record for record in caplog.records if "Nothing was added" in record.getMessage()]
    assert len(lines) <= 1  # another test may have logged the same within the minute
    assert not any(record.exc_info for record in caplog.records)
    short.free = 50 * MEGABYTE
    assert make_project(client, "garden")["name"] == "garden"
