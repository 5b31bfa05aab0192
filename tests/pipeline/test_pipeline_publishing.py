"""From iterations to answers: `dahlia publish`, `bentoml serve`, `bentoml build`, in a project folder."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest
from pipeline_projects import Project, succeeded

from dahlia.dataset.proof_photos import load_photos
from dahlia.modeling.card import load_card, project_id

pytestmark = pytest.mark.slow

BENTOML = str(Path(sys.executable).parent / "bentoml")


def test_iterations_are_listed_compared_and_published(twice: Project) -> None:
    assert "General (compact)" in succeeded(twice.dahlia("iterations")).output
    assert "export.verification_images" in succeeded(twice.dahlia("compare", "1", "2")).output
    succeeded(twice.dahlia("publish", "2", "--as", "shown"))
    assert "shown" in succeeded(twice.dahlia("iterations")).output
    succeeded(twice.dahlia("unpublish", "shown"))
    again = twice.dahlia("unpublish", "shown")
    assert again.code == 1
    assert "No iteration is published as 'shown'" in again.output
    assert twice.dahlia("publish", "3", "--as", "shown").code == 1


def test_a_project_folder_serves(twice: Project) -> None:
    succeeded(twice.dahlia("publish", "1", "--as", "production"))
    folder = twice.root / "published/iteration-1"
    iteration = json.loads((folder / "iteration.json").read_text())["id"]
    assert len(load_photos(folder, load_card(folder).input.size)) > 10  # what else computes it is compared on
    with serving(twice, ".", twice.root) as base:
        assert _ask(base, twice, "production")["iteration"] == iteration


def test_a_bento_of_a_project_folder_answers_elsewhere(twice: Project, tmp_path: Path) -> None:
    moved = twice.copy(tmp_path)
    succeeded(moved.dahlia("publish", "2", "--as", "packed"))
    built = succeeded(moved.run(BENTOML, "build", "-o", "tag")).output
    tag = built.strip().rpartition("__tag__:")[2]
    shutil.rmtree(moved.root)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with serving(twice, tag, elsewhere) as base:
        answer = _ask(base, twice, "packed")
    assert answer["predictions"][0]["tagName"] in ("daffodil", "dahlia", "daisy")
    log = (elsewhere / "serve.log").read_text()
    assert f"from {twice.machine / 'bentoml' / 'bentos'}" in log  # its own code, not what is installed


@contextmanager
def serving(project: Project, target: str, folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base, log = f"http://127.0.0.1:{port}", folder / "serve.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [BENTOML, "serve", target, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=project.environment | {"PYTHONWARNINGS": "ignore"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(f"{base}/readyz", server, log)
        yield base
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the server did not become ready:\n{log.read_text()}")


def _ask(base: str, project: Project, name: str) -> dict[str, object]:
    identifier = project_id(project.params["project"]["name"])
    path = f"/customvision/v3.1/prediction/{identifier}/classify/iterations/{name}/image/nostore"
    photo = next((project.root / "data" / "images").rglob("*.jpg")).read_bytes()
    request = urllib.request.Request(base + path, photo, {"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, object] = json.load(response)
        return answer
