"""Disks that are full or read-only, a database that goes away: a clear answer, no loss, and no hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import requests
from reliability_actors import Actor, Curator, new_project
from reliability_client import TRAINING, Client, Unknown, files, new_photo
from reliability_disks import (
    HELD_TO_PERMISSIONS,
    filled,
    no_larger_files,
    no_more_open_files,
    small_disk,
    withheld,
)
from reliability_photo_sets import PhotoSet
from reliability_postgres import Stoppable, stoppable_postgres
from reliability_server import Supervised, eventually, supervised
from reliability_training import Trainer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ALONE = {"DAHLIA_JOBS_WORKERS": "0"}
# Of a server that writes, and of one that has measured the disk since it is full.
FULL = ("Free some space", "its disk is full", "its disk reports an error", "Nothing was added")
RANDOM = np.random.default_rng(3)
Disk = Callable[[Path], AbstractContextManager[tuple[Supervised, AbstractContextManager[None]]]]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Stoppable]:
    with stoppable_postgres() as stoppable:
        yield stoppable


@contextmanager
def on_postgres(postgres: Stoppable, home: Path, **settings: str) -> Iterator[Supervised]:
    with postgres.server.database() as url, supervised(home, DAHLIA_DATABASE_URL=url, **settings) as server:
        yield server


def photo_set_of(server: Supervised, photos: int = 4) -> PhotoSet:
    """A project with a tag and some photos."""
    client = Client(server.base, server.key)
    photo_set = PhotoSet(client, new_project(client, "garden", classificationType="Multilabel"))
    assert photo_set.upload(RANDOM, "red", photos, photo_set.add_tag("red"))
    return photo_set


def upload(photo_set: PhotoSet) -> requests.Response:
    body = files([new_photo(RANDOM, "red")])
    return photo_set.client.raw("POST", f"{TRAINING}{photo_set.path}/images/files", json=body)


def tag(photo_set: PhotoSet) -> requests.Response:
    return photo_set.client.raw("POST", f"{TRAINING}{photo_set.path}/tags", params={"name": "one more"})


def check_refusal(response: requests.Response, *words: str) -> None:
    """See that the server says in its own words that it cannot now."""
    assert response.status_code == 503, response.text
    assert int(response.headers["retry-after"]) > 0
    refusal = response.json()
    assert set(refusal) == {"code", "message"}
    assert refusal["code"].startswith("Error")
    assert "Traceback" not in response.text
    assert any(word in refusal["message"] for word in words), refusal


@contextmanager
def on_a_small_disk(tmp_path: Path) -> Iterator[tuple[Supervised, AbstractContextManager[None]]]:
    with small_disk(tmp_path / "disk", 64) as disk, supervised(disk / "home", **ALONE) as server:
        yield server, filled(disk)


@contextmanager
def of_limited_files(tmp_path: Path) -> Iterator[tuple[Supervised, AbstractContextManager[None]]]:
    with supervised(tmp_path / "home", **ALONE) as server:
        yield server, no_larger_files(server.pid)


@pytest.mark.parametrize("kind", [of_limited_files, on_a_small_disk])
def test_a_full_disk(kind: Disk, tmp_path: Path) -> None:
    with kind(tmp_path) as (server, full):
        photo_set = photo_set_of(server)
        with full:
            check_refusal(upload(photo_set), *FULL)
            many = {"metadata": "x" * 256} | {str(number): "y" * 256 for number in range(9)}
            for _ in range(20):  # until the database's file has to grow
                images = ",".join(photo_set.ids.values())
                path = f"{TRAINING}{photo_set.path}/images/metadata"
                refused = photo_set.client.raw("POST", path, params={"imageIds": images}, json=many)
                if refused.status_code != 200:
                    check_refusal(refused, *FULL)
            photo_set.verify()
        assert photo_set.upload(RANDOM, "red", 2)
        photo_set.verify()


def test_a_training_on_a_full_disk_says_so(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 400) as disk, supervised(disk / "home") as server:
        client = Client(server.base, server.key)
        photo_set = PhotoSet(client, new_project(client, "garden", classificationType="Multiclass"))
        for colour in ("red", "blue"):
            assert photo_set.upload(RANDOM, colour, 5, photo_set.add_tag(colour))
        with filled(disk):
            iteration = started(client, photo_set)
            if iteration:  # the database had room for its row
                assert "space" in ended(client, photo_set, iteration)["trainingErrorDetails"]
        iteration = eventually(lambda: started(client, photo_set), 30)
        assert ended(client, photo_set, iteration)["status"] == "Completed"
        photo_set.verify()


def started(client: Client, photo_set: PhotoSet) -> str | None:
    try:
        return str(client.call("POST", f"{photo_set.path}/train", params={"forceTrain": "true"})["id"])
    except Unknown:
        return None


def ended(client: Client, photo_set: PhotoSet, iteration: str | None) -> dict[str, str]:
    def look() -> dict[str, str] | None:
        now: dict[str, str] = client.known("GET", f"{photo_set.path}/iterations/{iteration}")
        return now if now["status"] != "Training" else None

    found: dict[str, str] = eventually(look, 120)
    return found


def test_files_that_may_not_be_written(tmp_path: Path) -> None:
    with supervised(tmp_path / "home", HELD_TO_PERMISSIONS, **ALONE) as server:
        photo_set = photo_set_of(server)
        with withheld(server.home / "files"):
            check_refusal(upload(photo_set), "Mount it writable")
            photo_set.verify()
        image = photo_set.client.call("GET", f"{photo_set.path}/images")[0]["originalImageUri"]
        with withheld(server.home / "files", 0o777):
            check_refusal(photo_set.client.raw("GET", image), "Permission denied")
        assert photo_set.upload(RANDOM, "red", 2)
        photo_set.verify()


def test_too_few_open_files(tmp_path: Path) -> None:
    with supervised(tmp_path / "home", **ALONE) as server:
        photo_set, refused = photo_set_of(server), 0
        for more in range(4):  # for the connection, and for what the request opens
            with no_more_open_files(server.pid, more):
                for _ in range(10):
                    with suppress(requests.ConnectionError):  # it was closed at once
                        answer = upload(photo_set)
                        if answer.status_code != 200:
                            check_refusal(answer, "Allow the server more open files", "cannot be opened")
                            refused += 1
        assert refused
        assert "Traceback" not in server.text
        assert server.text.count(": 503, ") <= 2, server.text
        assert upload(photo_set).status_code == 200


@pytest.mark.parametrize("place", [".", "dahlia.db"])
def test_a_home_that_may_not_be_written(place: str, tmp_path: Path) -> None:
    with supervised(tmp_path / "home", HELD_TO_PERMISSIONS, **ALONE) as server:
        photo_set = photo_set_of(server)
        server.kill()
        with withheld(server.home / place):
            server.start()
            server.wait_until_ready()
            photo_set.verify()
            check_refusal(tag(photo_set), "it may not be written")
        # Connections that were opened meanwhile learn of it with the first write, which fails.
        eventually(lambda: photo_set.upload(RANDOM, "red", 2), 10)
        photo_set.verify()


@pytest.mark.parametrize("home", ["home", "home/below"])
def test_a_home_that_cannot_be_made(home: str, tmp_path: Path) -> None:
    server = Supervised(tmp_path / home, HELD_TO_PERMISSIONS)
    (tmp_path / "home").mkdir()
    with withheld(tmp_path / "home"):
        done = server.run()
    assert done.returncode == 2
    assert ("cannot be opened" if home == "home" else "cannot be made") in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_database_that_goes_away(postgres: Stoppable, tmp_path: Path) -> None:
    with on_postgres(postgres, tmp_path / "home", DAHLIA_JOBS_WARM="false") as server:
        photo_set = photo_set_of(server)
        with postgres.away(0):
            for _ in range(3):
                check_refusal(upload(photo_set), "the connection to it is lost")
                check_refusal(
                    photo_set.client.raw("GET", f"{TRAINING}/projects"), "the connection to it is lost"
                )
                check_refusal(photo_set.client.raw("GET", "/readyz"), "the connection to it is lost")
            assert requests.get(f"{server.base}/healthz", timeout=10).status_code == 200
        photo_set.verify()
        with postgres.read_only():
            check_refusal(upload(photo_set), "it may not be written")
            photo_set.verify()
        assert photo_set.upload(RANDOM, "red", 2)
        photo_set.verify()


def test_a_database_that_goes_away_at_work(postgres: Stoppable, tmp_path: Path) -> None:
    with on_postgres(postgres, tmp_path / "home") as server:
        curator = Curator(Client(server.base, server.key), 5)
        trainer = Trainer(Client(server.base, server.key), 6)
        with curator, trainer:
            for pause in (0.3, 1.0, 2.0):
                enough = curator.steps + 10
                eventually(partial(has_acted, curator, enough), 60)
                with postgres.away(pause):
                    pass
            eventually(lambda: trainer.error or trainer.completed, 300)
        for actor in (curator, trainer):
            if actor.error:
                raise actor.error
        trainer.settle()
        trainer.verify()
        for photo_set in curator.photo_sets:
            photo_set.verify()


def has_acted(actor: Actor, steps: int) -> bool:
    return actor.steps >= steps or actor.error is not None
