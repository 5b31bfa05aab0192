"""A clock that jumps back: order, keys, links, trainings and predictions are as if it had not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from iteration_cases import complete
from prediction_cases import put_model
from reliability_client import TRAINING, files, hashed, new_photo
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.server.app import create_app
from dahlia.server.cleaning.cleaning import clean, search
from dahlia.server.context import Server, open_server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.jobs.job import JobKind
from dahlia.server.jobs.leases import Watch
from dahlia.server.jobs.order import Turns
from dahlia.server.jobs.queue import claim
from dahlia.server.keys.keys import Scope, create_key
from dahlia.settings.server import load_settings

JUMP = timedelta(days=400)
COLOURS = ("red", "green", "blue")


class Clock:
    """Goes on, and jumps."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class World:
    """A server whose clock can be set, a client of it, and a project with three tags."""

    def __init__(self, server: Server, clock: Clock, client: TestClient) -> None:
        self.server, self.clock, self.client = server, clock, client
        self.random = np.random.default_rng(2)
        made = self.call("POST", "/projects", params={"name": "p", "classificationType": "Multiclass"})
        self.path = f"/projects/{made['id']}"
        self.tags = {
            name: self.call("POST", f"{self.path}/tags", params={"name": name})["id"] for name in COLOURS
        }

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.client.request(method, TRAINING + path, **options)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def upload(self, colour: str, count: int = 5) -> list[str]:
        photos = [new_photo(self.random, colour) for _ in range(count)]
        done = self.call("POST", f"{self.path}/images/files", json=files(photos, [self.tags[colour]]))
        return [one["image"]["id"] for one in done["images"]]

    def train(self) -> str:
        """Order a training, and do what a worker does."""
        iteration = str(self.call("POST", f"{self.path}/train")["id"])
        with self.server.database.read() as session:
            project = session.scalars(select(ProjectRow)).one()
        put_model(self.server, project, iteration)
        complete(self.server, iteration)
        return iteration

    def predict(self) -> dict[str, Any]:
        route = f"/customvision/v3.1/prediction/{self.path.split('/')[2]}/classify/iterations/live/image"
        answer = self.client.post(route, content=new_photo(self.random, "red"))
        assert answer.headers["dahlia-stored"] == "true", answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    server, clock = open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(tmp_path)})), Clock()
    server.now = clock
    with server.database.write() as session:
        key = create_key(session, "tests", Scope.TRAINING, None, server.now())[1]
    with TestClient(create_app(server), "http://127.0.0.1", headers={"Training-Key": key}) as client:
        yield World(server, clock, client)
    server.database.close()


def test_order_and_links(world: World) -> None:
    before = world.upload("red")
    (old,) = world.call("GET", f"{world.path}/images/id", params={"imageIds": before[0]})
    world.clock.ahead -= JUMP
    after = world.upload("green")
    listed = [one["id"] for one in world.call("GET", f"{world.path}/images", params={"orderBy": "Oldest"})]
    assert listed == before + after
    (new,) = world.call("GET", f"{world.path}/images/id", params={"imageIds": after[0]})
    for image in (old, new):
        answer = world.client.get(image["originalImageUri"], headers={"Training-Key": ""})
        assert answer.status_code == 200
        assert hashed(answer.content) in image["originalImageUri"]
    clean(world.server)
    search(world.server)
    assert world.call("GET", f"{world.path}/images/count") == 10


def test_trainings_and_predictions(world: World) -> None:
    for colour in COLOURS:
        world.upload(colour)
    first = world.train()
    place = {"publishName": "live", "predictionId": "any", "overwrite": "true"}
    world.call("POST", f"{world.path}/iterations/{first}/publish", params=place)
    earlier = world.predict()
    world.clock.ahead -= JUMP
    refused = world.client.post(f"{TRAINING}{world.path}/train")
    assert refused.json()["code"] == "BadRequestTrainingNotNeeded"
    world.upload("red", 1)
    second = world.train()
    listed = world.call("GET", f"{world.path}/iterations")
    assert [(one["id"], one["status"]) for one in listed] == [(first, "Completed"), (second, "Completed")]
    tested = world.client.post(
        f"{TRAINING}{world.path}/quicktest/image?store=false", content=new_photo(world.random, "red")
    )
    assert tested.json()["iteration"] == second
    world.call("POST", f"{world.path}/iterations/{second}/publish", params=place)
    later = world.predict()
    assert (earlier["iteration"], later["iteration"]) == (first, second)
    kept = world.call("POST", f"{world.path}/predictions/query", json={"orderBy": "Oldest"})["results"]
    assert {one["id"] for one in kept} == {earlier["id"], later["id"]}


def test_a_job_is_not_taken_from_who_does_it(world: World) -> None:
    for colour in COLOURS:
        world.upload(colour)
    world.call("POST", f"{world.path}/train")
    seconds = iter([0.0, 1.0, 2.0, 3.0])
    watch = Watch(world.server.database, 15.0, lambda: next(seconds))
    assert claim(world.server.database, "worker", Turns([JobKind.TRAIN]))
    for jump in (-JUMP, 2 * JUMP, -JUMP):
        world.clock.ahead += jump
        assert watch.look() == 0
