"""`dahlia serve` as a supervisor of the system runs it: always the same command, begun again when it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

_MARK = "RELIABILITY_START"
_PATIENCE = 60.0  # seconds; a start takes one or two
_TRAINING_KEY = re.compile(r"^Training key: +(\S+)", re.MULTILINE)


class Supervised:
    """A server on a port of its own.

    Every process that comes of a start has the start's number in its first environment, however it was
    forked; so those that a kill leaves behind are found.

    Args:
        home: its folder.
        before: words before the command.
        settings: variables besides.

    Attributes:
        base: its address.
        starts: how often it was started.
        process: of the last start.
    """

    def __init__(self, home: Path, before: tuple[str, ...] = (), **settings: str) -> None:
        self.home = home
        self.port = _free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.log = home.with_suffix(".log")
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._command = [*before, sys.executable, "-m", "dahlia", "serve"]
        self._settings = {
            "DAHLIA_SERVER_HOME": str(home),
            "DAHLIA_SERVER_PORT": str(self.port),
            "DAHLIA_JOBS_POLL_SECONDS": "0.1",
            "DAHLIA_SERVER_MIN_FREE_MB": "16",  # of the small disks that some tests give it
        } | settings

    @property
    def environment(self) -> dict[str, str]:
        """Of the server, and of commands of its owner."""
        bare = {name: value for name, value in os.environ.items() if not name.startswith("DAHLIA_")}
        return bare | self._settings

    @property
    def pid(self) -> int:
        """Of the server's process."""
        assert self.process is not None
        return self.process.pid

    @property
    def key(self) -> str:
        """The training key that was shown last; those of interrupted starts are invalid."""
        return _TRAINING_KEY.findall(self.text)[-1]

    @property
    def text(self) -> str:
        """What all its starts, and their workers, have said."""
        return self.log.read_text(errors="replace")

    def start(self) -> None:
        """Start it, and do not wait."""
        self.starts += 1
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self._command,
                env=self.environment | {_MARK: str(self.starts)},
                cwd=self.home.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Start it where it cannot start; or run another command for it."""
        return subprocess.run(
            [*self._command[:-1], *words] if words else self._command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def wait_until_ready(self) -> float:
        """Wait until it answers; the seconds that took."""
        began = time.monotonic()
        eventually(self.ready, _PATIENCE, self._tail)
        return time.monotonic() - began

    def ready(self) -> bool:
        """Whether it answers."""
        assert self.process is not None
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self._tail()}"
        try:
            return requests.get(f"{self.base}/readyz", timeout=10).status_code == 200
        except requests.RequestException:
            return False

    def kill(self) -> None:
        """`kill -9` of the server's process, and of that alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def worker(self) -> psutil.Process | None:
        """The worker's process; None while one is gone and the next not there yet."""
        found = (child for child in psutil.Process(self.pid).children() if _is_worker(child))
        return next(found, None)

    def kill_worker(self) -> bool:
        """`kill -9` of the worker's process; whether there was one."""
        worker = self.worker()
        if worker is not None:
            worker.kill()
        return worker is not None

    def stop(self) -> int | None:
        """End it as a supervisor does; its exit status, None where it does not run."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end:\n{self._tail()}") from None

    def processes(self, last: int | None = None) -> list[psutil.Process]:
        """What runs of the starts up to one; of all where it is left out."""
        return [one for one in psutil.process_iter() if 0 < self._start_of(one) <= (last or self.starts)]

    def _start_of(self, process: psutil.Process) -> int:
        """The number of the start that it came from; 0 where it is of others, or has ended."""
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return 0
            environment = process.environ()
        except psutil.Error:
            return 0
        mine = environment.get("DAHLIA_SERVER_HOME") == str(self.home)
        return int(environment.get(_MARK, "0")) if mine else 0

    def _tail(self) -> str:
        return self.text[-6000:]


@contextmanager
def supervised(home: Path, before: tuple[str, ...] = (), **settings: str) -> Iterator[Supervised]:
    """A server that answers, and that is gone with all its processes when the block ends."""
    server = Supervised(home, before, **settings)
    try:
        server.start()
        server.wait_until_ready()
        yield server
        assert server.stop() in (0, None), server.text[-6000:]
    finally:
        end(server)


def end(server: Supervised) -> None:
    """End everything of a server, whatever state it is in."""
    for process in server.processes():
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    if server.process is not None:
        server.process.wait()


def eventually(reached: Callable[[], Any], seconds: float, tell: Callable[[], object] = str) -> Any:
    """Ask until the answer is true, and give it."""
    until = time.monotonic() + seconds
    while not (found := reached()):
        assert time.monotonic() < until, f"it takes too long:\n{tell()}"
        time.sleep(0.05)
    return found


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "worker" in process.cmdline()
    except psutil.Error:
        return False


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
