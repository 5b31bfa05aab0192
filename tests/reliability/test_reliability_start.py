"""What the server's process is while it serves, and how it ends."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from reliability_client import Client
from reliability_server import Supervised, end, eventually, supervised

HEAVY = {"torch", "tensorflow", "lightning", "timm", "mlflow", "sklearn", "matplotlib", "cleanlab"}
MODULES = """
import os, sys
from starlette.testclient import TestClient
from dahlia.server import running
from dahlia.server import running
from dahlia.server.cleaning import cleaning
from dahlia.server.app import create_app
from dahlia.server.context import open_server
from dahlia.settings.server import load_settings

app = create_app(open_server(load_settings(None, os.environ)))
with TestClient(app, base_url="http://127.0.0.1") as client:
    for path in ("/healthz", "/readyz", "/openapi.json", "/docs", "/customvision/v3.3/training/projects"):
        client.get(path)
print(" ".join({name.partition(".")[0] for name in sys.modules}))
"""

pytestmark = pytest.mark.slow


def test_the_server_loads_nothing_that_trains(tmp_path: Path) -> None:
    server = Supervised(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", MODULES], env=server.environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"dahlia", "fastapi", "sqlalchemy"} <= loaded
    assert not loaded & HEAVY


def test_its_process_maps_none_of_their_libraries(tmp_path: Path) -> None:
    began = time.monotonic()
    with supervised(tmp_path / "home", DAHLIA_JOBS_WORKERS="0") as server:
        took = time.monotonic() - began
        assert Client(server.base, server.key).call("GET", "/domains")
        process = psutil.Process(server.pid)
        mapped = {Path(one.path).name for one in process.memory_maps()} if sys.platform == "linux" else set()
        print(f"\nanswers after {took:.1f} s, has {process.memory_info().rss / 1e6:.0f} MB")
    assert not [name for name in mapped if "libtorch" in name or "tensorflow" in name]


def test_a_signal_ends_all_of_it(tmp_path: Path) -> None:
    with supervised(tmp_path / "home") as server:
        eventually(server.worker, 30)
        eventually(lambda: len(server.processes()) > 2, 30)  # the warm process too
        assert server.stop() == 0
        assert not server.processes()
        assert not (server.home / "dahlia.db-wal").exists()


def test_what_a_killed_server_started_ends_by_itself(tmp_path: Path) -> None:
    server = Supervised(tmp_path / "home")
    try:
        server.start()
        server.wait_until_ready()
        eventually(lambda: len(server.processes()) > 2, 30)
        server.kill()
        eventually(lambda: not server.processes(), 30)
    finally:
        end(server)
