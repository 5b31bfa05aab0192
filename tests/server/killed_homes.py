"""A server's home for tests that kill the server: it is started, asked, killed and started again."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prediction_cases import new_garden

from dahlia.server.context import Server, open_server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.keys.keys import Scope, create_key
from dahlia.settings.server import load_settings


class Home:
    """A server's home with a project whose tags are red, green and blue."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self.folder = folder
        self.environment = {"DAHLIA_SERVER_HOME": str(folder), "DAHLIA_JOBS_WORKERS": "0"}
        with self.opened() as server:
            self.project: ProjectRow = new_garden(server, **fields)
            with server.database.write() as session:
                self.key = create_key(session, "tests", Scope.TRAINING, None, server.now())[1]

    @contextmanager
    def opened(self) -> Iterator[Server]:
        """Its database and storage, in this process."""
        server = open_server(load_settings(None, self.environment))
        try:
            yield server
        finally:
            server.database.close()

    @contextmanager
    def running(self) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        """The server and its port, until the block ends."""
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
        """Status, JSON, and whether a prediction was stored, of an answer."""
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
