"""Predictions that were answered as stored are found once each, whenever the server was killed."""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from killed_homes import Home
from prediction_cases import add_iteration, asked, picture

KILLS = 4


@pytest.mark.slow
def test_answered_predictions_are_stored_once_however_the_server_ends(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with home.opened() as server:
        add_iteration(server, home.project, publish_name="live")
    chance = random.Random(7)
    answered: list[str] = []
    for _ in range(KILLS):
        with home.running() as (process, port):
            killer = threading.Timer(chance.uniform(0.05, 3.5), process.kill)
            killer.start()
            while process.poll() is None:
                answered += _predicted(home, port, chance)
            killer.join()
    with home.running() as (_, port):
        found = Counter(_stored(home, port))
    assert len(answered) > KILLS
    assert set(answered) - set(found) == set()
    assert {identity for identity, times in found.items() if times > 1} == set()


def _predicted(home: Home, port: int, chance: random.Random) -> list[str]:
    colour = (chance.randrange(256), chance.randrange(256), chance.randrange(256))
    path = asked(home.project).removeprefix("http://testserver")
    try:
        status, said, stored = home.call(port, path, picture(colour))
    except (OSError, http.client.HTTPException):
        return []
    assert (status, stored) == (200, "true"), said
    return [said["id"]]


def _stored(home: Home, port: int) -> Iterator[str]:
    path = f"/customvision/v3.4-preview/training/projects/{home.project.id}/predictions/query"
    token: dict[str, Any] = {"maxCount": 256}
    while token.get("continuation", "") is not None:
        status, said, _ = home.call(port, path, token)
        assert status == 200, said
        yield from (one["id"] for one in said["results"])
        token = said["token"]
