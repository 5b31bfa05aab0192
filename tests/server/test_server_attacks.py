"""What attackers send to `dahlia serve` before a key is looked at."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from http_attacks import PATIENCE, SETTINGS, Attacks, Target

pytestmark = pytest.mark.slow

POST = "/customvision/v3.3/training/projects/00000000-0000-0000-0000-000000000000/images/tags"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The command as a process, without workers."""
    folder = tmp_path_factory.mktemp("server")
    log = folder / "log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAHLIA_")}
    environment |= {f"DAHLIA_SERVER_{name}": value for name, value in SETTINGS.items()}
    environment |= {"DAHLIA_SERVER_PORT": "0", "DAHLIA_JOBS_WORKERS": "0", "DAHLIA_SERVER_ALLOWED_HOSTS": "a"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dahlia", "serve"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + PATIENCE
        while not (found := re.search(r"Dahlia is running at http://127.0.0.1:(\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        key = re.search(r"Training key: +(\S+)", log.read_text())
        assert key
        yield Target(int(found[1]), process.pid, POST, f"Training-Key: {key[1]}", "/openapi.json")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    assert "Traceback" not in log.read_text()


class TestServer(Attacks):
    """Every attack of the table."""
