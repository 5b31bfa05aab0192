"""The README's code blocks, run in their order as a reader would."""

from __future__ import annotations

import os
import re
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

import pytest

from dahlia_samples import generate_garden

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
BIN = Path(sys.executable).parent
ACTIVATE = "source .venv/bin/activate"


def shell(script: str, folder: Path, home: Path, **variables: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", activated(script, folder, home)],
        cwd=folder,
        env=environment(home) | variables,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def environment(home: Path) -> dict[str, str]:
    names = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org"}
    names |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org"}
    quiet = {"DVC_NO_ANALYTICS": "1", "BENTOML_DO_NOT_TRACK": "True"}
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder) != BIN]
    return {**os.environ, **names, **quiet, "HOME": str(home), "PATH": os.pathsep.join(path)}


def activated(script: str, folder: Path, home: Path) -> str:
    """The script in the shell of a reader, who has activated the environment in the first folder."""
    return f"cd {home.parent}\n{ACTIVATE}\ncd {folder}\n{script}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def warm_stages(folder: Path, home: Path) -> Iterator[dict[str, str]]:
    """Variables with which the stages of `dvc repro` are forked from one process and import nothing."""
    variables = environment(home) | {"PYTHONUNBUFFERED": "1"}
    socket_path = home / "warm" / "socket"
    socket_path.parent.mkdir(mode=0o700)
    command = activated(f"exec python -m dahlia.warm serve {socket_path}", folder, home)
    with subprocess.Popen(
        ["bash", "-c", command],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield {"DAHLIA_WARM": str(socket_path), "PYTHONUNBUFFERED": "1"}
        process.communicate(timeout=30)


@contextmanager
def serving(command: str, folder: Path, home: Path, port: int) -> Iterator[None]:
    with (home / "serve.log").open("w") as log:
        process = subprocess.Popen(
            ["bash", "-c", activated(f"exec {command}", folder, home)],
            cwd=folder,
            env=environment(home),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            until = time.monotonic() + 90
            while time.monotonic() < until:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    commands = re.findall(r"^make (\w+)", BLOCKS[0][1], re.MULTILINE)
    assert commands == ["demo", "test"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(commands) <= set(targets)


def run_server(command: str, script: str, folder: Path, home: Path) -> str:
    """What the script prints that asks the server."""
    port = free_port()
    with serving(f"env DAHLIA_SERVER_PORT={port} {command.strip()}", folder, home, port):
        key = re.search(r"^Training key: +(\S+)", (home / "serve.log").read_text(), re.MULTILINE)
        assert key is not None
        answer = subprocess.run(
            [sys.executable, "-c", script.replace("3000", str(port))],
            cwd=folder,
            env=environment(home) | {"DAHLIA_TRAINING_KEY": key[1]},
            capture_output=True,
            text=True,
            timeout=200,
        )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_blocks_run_in_their_order(tmp_path: Path) -> None:
    home = tmp_path / "home"
    photos = home / "photos"
    generate_garden(photos, images_per_tag=8, seed=3, size=384)
    bash = [text for language, text in BLOCKS if language == "bash"]
    trained, python = [text for language, text in BLOCKS if language == "python"]
    server, own, variant, parameters, trials, serve, asked, exports = bash
    activate, serve_all = server.splitlines()
    assert activate.partition("#")[0].strip() == ACTIVATE
    (tmp_path / ".venv").symlink_to(BIN.parent)
    assert "Completed" in run_server(serve_all, trained, tmp_path, home)
    project = tmp_path / "fruit"
    with warm_stages(tmp_path, home) as warm:
        assert "iteration 1 (fruit)" in shell(own, tmp_path, home, **warm)
        assert "1" in shell(variant, project, home, **warm)
        shell(parameters, project, home)
        assert shell(trials, project, home, **warm).count("To keep it: dahlia params domain.input.size=") == 2
        shutil.copy(next(photos.glob("*/*.jpg")), project / "photo.jpg")
        port = free_port()
        with serving(serve.strip().replace("3000", str(port)), project, home, port):
            script = python.replace("3000", str(port))
            answer = subprocess.run(
                [sys.executable, "-c", script],
                cwd=project,
                env=environment(home),
                capture_output=True,
                text=True,
            )
        assert answer.returncode == 0, answer.stderr
        tag, probability = answer.stdout.split()
        assert tag in ("daffodil", "dahlia", "daisy")
        assert 0 < float(probability) <= 1
        assert tag in shell(asked, project, home)
        assert len(list((project / "seen" / tag).iterdir())) == 1
        said = shell(exports, project, home, **warm)
    assert said.count("largest difference") == 5
    assert len(list((project / "downloads").glob("fruit-2-*.zip"))) == 4
