"""Servers in processes of their own: start, wait until they answer, memory, end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

SERVICE = "dahlia.serving.service:PredictionService"
LOG = "serve.log"
_START_SECONDS = 120


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Attributes:
        base: its URL, without a path.
        pid: of the process that was started, the parent of the others.
        seconds: from the start to the first answer.
        log: the file that has its output.
    """

    base: str
    pid: int
    seconds: float
    log: Path


def bentoml_command(target: str = SERVICE) -> list[str]:
    """What serves a BentoML service; `{port}` is to be replaced."""
    bentoml = str(Path(sys.executable).parent / "bentoml")
    return [bentoml, "serve", target, "--host", "127.0.0.1", "--port", "{port}"]


@contextmanager
def running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], ready: str = "/readyz"
) -> Iterator[Running]:
    """Run a server in `folder` until the block ends.

    Args:
        command: what starts it; `{port}` in it becomes a free port of 127.0.0.1.
        folder: where it runs, and where its output is written to `serve.log`.
        environment: what differs from that of this process.
        ready: the path that answers once it serves.

    Raises:
        RuntimeError: it ended, or did not answer within two minutes.
    """
    port = _free_port()
    quiet = {
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(folder / ".bentoml"),
        "PYTHONWARNINGS": "ignore",
    }
    began = time.monotonic()
    with (folder / LOG).open("wb") as output:
        server = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in command],
            cwd=folder,
            env={**os.environ, **quiet, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(base + ready, server, folder / LOG)
        yield Running(base, server.pid, time.monotonic() - began, folder / LOG)
    finally:
        _end(server)


def processes(pid: int) -> list[psutil.Process]:
    """A process and all that it started, directly or not."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def memory(pid: int) -> int:
    """Bytes that a process and all that it started take: memory that n processes share counts once."""
    return sum(_each(pid, _proportional))


def own_memory(pid: int) -> int:
    """Bytes that one process alone holds; what it maps of files, which others may share, is left out."""
    return sum(_rolled_up(pid, name) for name in ("Anonymous", "SwapPss"))


def _each(pid: int, measure: Callable[[psutil.Process], int]) -> Iterator[int]:
    for process in processes(pid):
        try:
            yield measure(process)
        except (OSError, psutil.NoSuchProcess):
            continue


def _proportional(process: psutil.Process) -> int:
    return _rolled_up(process.pid, "Pss")


def _rolled_up(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:  # of which an answer with an error status is one
            time.sleep(0.05)
    raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')}")


def _end(server: subprocess.Popen[bytes]) -> None:
    started = processes(server.pid)[1:] if server.poll() is None else []
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    for process in psutil.wait_procs(started, timeout=5)[1]:  # some peers leave theirs behind
        process.kill()
