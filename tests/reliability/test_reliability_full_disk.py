"""Full disks: what makes room works, additions are refused, and both are said once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reliability_actors import new_project
from reliability_client import TRAINING, Client, files, new_photo
from reliability_disks import filled, small_disk
from reliability_photo_sets import PhotoSet
from reliability_server import Supervised, eventually, supervised

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
RANDOM = np.random.default_rng(4)
FULL, ROOM = "is nearly full", "The disks have room again"


@contextmanager
def with_all_on(disk: Path) -> Iterator[Supervised]:
    with supervised(disk / "home", DAHLIA_JOBS_WORKERS="0") as server:
        yield server


@contextmanager
def with_the_database_on(disk: Path) -> Iterator[Supervised]:
    files = {"DAHLIA_STORAGE_URL": str(disk.parent / "files"), "DAHLIA_JOBS_WORKERS": "0"}
    with supervised(disk / "home", **files) as server:
        yield server


@contextmanager
def with_the_storage_on(disk: Path) -> Iterator[Supervised]:
    files = {"DAHLIA_STORAGE_URL": str(disk / "files"), "DAHLIA_JOBS_WORKERS": "0"}
    with supervised(disk.parent / "home", **files) as server:
        yield server


def new_photo_set(server: Supervised) -> PhotoSet:
    client = Client(server.base, server.key)
    return PhotoSet(client, new_project(client, "garden", classificationType="Multilabel"))


def ready(server: Supervised) -> dict[str, Any]:
    answer = Client(server.base, "").raw("GET", "/readyz")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def check_additions_are_refused(photo_set: PhotoSet) -> None:
    additions = {"/images/files": {"json": files([new_photo(RANDOM, "red")])}, "/tags?name=more": {}}
    for path, options in additions.items():
        answer = photo_set.client.raw("POST", f"{TRAINING}{photo_set.path}{path}", **options)
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) > 0
        assert "delete images" in answer.json()["message"]


@pytest.mark.parametrize(
    ("place", "what"),
    [(with_all_on, "home"), (with_the_database_on, "home"), (with_the_storage_on, "storage")],
)
def test_what_makes_room_works_on_a_full_disk(place: Any, what: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk, place(disk) as server:
        photo_set = new_photo_set(server)
        red, blue = photo_set.add_tag("red"), photo_set.add_tag("blue")
        for _ in range(4):
            assert photo_set.upload(RANDOM, "red", 20, red, blue)
        server.kill()  # a log that has been written once need not grow for what comes
        with filled(disk):
            server.start()
            server.wait_until_ready()
            check_additions_are_refused(photo_set)
            said = ready(server)
            assert said["status"] == "degraded"
            assert f"The disk of the server's {what} is nearly full" in said["reasons"][0]
            photos = list(photo_set.state)
            assert photo_set.untag(photos[:20], blue)
            for start in range(0, 60, 20):
                assert photo_set.delete(photos[start : start + 20])
            photo_set.client.call("DELETE", f"{photo_set.path}/tags/{blue}")
            photo_set.state = {image: labels.without(blue) for image, labels in photo_set.state.items()}
            photo_set.tags.remove(blue)
            photo_set.verify()
            check_additions_are_refused(photo_set)
        eventually(lambda: ready(server) == {"status": "ok"}, 10)
        assert photo_set.upload(RANDOM, "red", 2, red)
        photo_set.verify()
        if place is with_all_on:
            eventually(lambda: (server.home / ".reserve").stat().st_size == 4 << 20, 20)
        assert server.text.count(FULL) - server.text.count("ErrorUnknown") <= 2, server.text
        assert server.text.count(ROOM) == 1, server.text
        assert "Traceback" not in server.text


def test_without_a_reserve_nothing_is_deleted(tmp_path: Path) -> None:
    none = {"DAHLIA_SERVER_MIN_FREE_MB": "0", "DAHLIA_JOBS_WORKERS": "0"}
    with small_disk(tmp_path / "disk", 64) as disk, supervised(disk / "home", **none) as server:
        photo_set = new_photo_set(server)
        assert photo_set.upload(RANDOM, "red", 20, photo_set.add_tag("red"))
        photos = list(photo_set.state)
        server.kill()
        with filled(disk):
            server.start()
            server.wait_until_ready()
            assert not photo_set.delete(photos[:10])
            assert ready(server) == {"status": "ok"}  # nobody asked for a floor
        assert photo_set.delete(photos[10:])
        photo_set.verify()
        assert "Traceback" not in server.text
