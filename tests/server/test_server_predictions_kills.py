"""Predictions that were answered as stored are found once each, whenever the server was killed."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prediction_cases import add_iteration, asked, new_garden, picture

from dahlia.server.context import open_server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.keys.keys import Scope, create_key
from dahlia.settings.server import load_settings

KILLS = 4


class Home:
    """A server's home with a project that publishes an iteration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"DAHLIA_SERVER_HOME": str(folder), "DAHLIA_JOBS_WORKERS": "0"}
        server = open_server(load_settings(None, self.environment))
        self.project: ProjectRow = new_garden(server)
        add_iteration(server, self.project, publish_name="live")
        with server.database.write() as session:
            self.key = create_key(session, "tests", Scope.TRAINING, None, server.now())[1]
        server.database.close()

    @contextmanager
    def running(self) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "dahlia", "serve"]
        environment = os.environ | self.environment | {"DAHLIA_SERVER_PORT": str(port)}
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log)
        try:
            self._wait(process, port)
            yield process, port
        finally:
            process.kill()
            process.wait()

    def call(self, port: int, path: str, body: bytes | dict[str, Any] | None) -> tuple[int, Any, str | None]:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        kind = "application/json" if isinstance(body, dict) else "application/octet-stream"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(
                "POST" if data else "GET", path, data, {"Training-Key": self.key, "Content-Type": kind}
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.getheader("dahlia-stored")
        finally:
            connection.close()

    def _wait(self, process: subprocess.Popen[bytes], port: int) -> None:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            try:
                if self.call(port, "/readyz", None)[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)


@pytest.mark.slow
def test_answered_predictions_are_stored_once_however_the_server_ends(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
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
