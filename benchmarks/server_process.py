"""`dahlia serve` in a process of its own, with what the benchmarks ask of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

_TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(_TESTS), str(_TESTS / "server")]

_START_SECONDS = 60


@dataclass(frozen=True)
class Running:
    """A server.

    Attributes:
        address: of its API.
        key: may do everything.
        process: the server alone, without its workers.
        started: seconds until it answered.
        database: its address, for rows that are written without the API.
    """

    address: str
    key: str
    process: psutil.Process
    started: float
    database: str

    @property
    def memory(self) -> int:
        """Resident bytes of the server alone."""
        return int(self.process.memory_info().rss)

    @property
    def processor(self) -> float:
        """Seconds of processor time of the server alone."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def trainer(self) -> Any:
        """The SDK's training client."""
        from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
        from msrest.authentication import ApiKeyCredentials

        credentials = ApiKeyCredentials(in_headers={"Training-key": self.key})
        return CustomVisionTrainingClient(self.address, credentials)  # type: ignore[no-untyped-call]


@contextmanager
def running_server(database: str, workers: int = 0, **settings: str) -> Iterator[Running]:
    """A server with an empty home.

    Args:
        database: `sqlite` or `postgresql`.
        workers: how many train.
        settings: variables beside those.
    """
    with tempfile.TemporaryDirectory() as scratch, _database(database) as url:
        home = Path(scratch)
        environment = {
            **os.environ,
            "DAHLIA_SERVER_HOME": str(home / "server"),
            "DAHLIA_SERVER_PORT": "0",
            "DAHLIA_JOBS_WORKERS": str(workers),
            **settings,
        }
        if url:
            environment["DAHLIA_DATABASE_URL"] = url
        began = time.perf_counter()
        with (home / "log.txt").open("w") as log:
            command = [sys.executable, "-m", "dahlia", "serve"]
            process = subprocess.Popen(
                command, cwd=home, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            address, key = _wait(home / "log.txt", process)
            url = url or f"sqlite:///{home / 'server' / 'dahlia.db'}"
            yield Running(address, key, psutil.Process(process.pid), time.perf_counter() - began, url)
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextmanager
def _database(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        yield ""
        return
    from postgres_server import running_postgres  # type: ignore[import-not-found,unused-ignore]

    with running_postgres() as server, server.database() as url:
        yield url


def _wait(log: Path, process: subprocess.Popen[bytes]) -> tuple[str, str]:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        text = log.read_text()
        address = re.search(r"(?:serves|is running at) (http://\S+)", text)
        key = re.search(r"^Training key:\s+(\w+)", text, re.MULTILINE)
        if address and key and "startup complete" in text:
            return address[1], key[1]
        time.sleep(0.02)
    raise SystemExit(f"The server did not start:\n{log.read_text()}")
