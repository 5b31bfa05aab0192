"""The processes of a server: workers, started, restarted and ended with it, and the memory that each may use.

The server has half of the memory for decoding images, for uploads and predictions; its workers share the
rest, for trainings.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dahlia.dataset.decoding_memory import MEGABYTE, MEMORY, PATIENCE, VARIABLE, allowed_memory
from dahlia.errors import DahliaError
from dahlia.processes import end
from dahlia.server.jobs.job import Lane
from dahlia.server.jobs.lanes import lanes_of
from dahlia.server.jobs.leases import release

if TYPE_CHECKING:
    from dahlia.server.context import Server
    from dahlia.settings.server import Settings

_LOOK_SECONDS = 0.2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_STEADY_SECONDS = 60.0  # a worker that lived so long starts again at once
_END_SECONDS = 15.0

_logger = logging.getLogger("dahlia.server")


class Workers:
    """Keeps the processes of `dahlia worker` alive that `jobs.workers` and `jobs.long_workers` ask for.

    A worker reads its standard input, which closes when this process ends, however it ends: then it ends too.

    Args:
        server: whose jobs they do.
        config: the file of its settings; None where there is none.

    Attributes:
        lanes: which jobs each of them takes.
    """

    def __init__(self, server: Server, config: Path | None) -> None:
        self.lanes = lanes_of(server.settings.jobs)
        self._server = server
        self._command = [sys.executable, "-m", "dahlia", "worker", "--attached"]
        if config:
            self._command += ["--config", str(config)]
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Start them."""
        for number, lane in enumerate(self.lanes):
            thread = threading.Thread(target=self._keep, args=(lane,), name=f"worker-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them; what they were doing goes back to the queue."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _keep(self, lane: Lane) -> None:
        pause = _FIRST_PAUSE
        while not self._ended.is_set():
            began = time.monotonic()
            ending = self._run(lane)
            if self._ended.is_set():
                return
            pause = (
                _FIRST_PAUSE if time.monotonic() - began > _STEADY_SECONDS else min(2 * pause, _LONGEST_PAUSE)
            )
            _logger.warning("%s; another starts in %.0f s.", ending, pause)
            self._ended.wait(pause)

    def _run(self, lane: Lane) -> str:
        """Run a worker to its end, or to that of the server; how it ended."""
        try:
            process = subprocess.Popen(
                [*self._command, "--lane", lane], stdin=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:  # no memory, or no process or open file more
            return f"A worker could not be started ({error.strerror})"
        while process.poll() is None and not self._ended.wait(_LOOK_SECONDS):
            pass
        if self._ended.is_set():
            _end(process)
        else:
            self._release(process.pid)
        return f"A worker ended with {process.returncode}"

    def _release(self, pid: int) -> None:
        try:
            release(self._server.database, pid)
        except DahliaError as error:
            _logger.warning("Its jobs are taken over when their lease ends. %s", error)


def limit_server(settings: Settings) -> None:
    """Bound this process, which answers requests: who waits too long is asked to come again."""
    total = allowed_memory(settings.limits.decode_memory_mb)
    MEMORY.limit(total // 2 if lanes_of(settings.jobs) else total, PATIENCE)


def limit_worker(settings: Settings) -> None:
    """Bound this process, and those that it starts, which wait as long as it takes."""
    total = allowed_memory(settings.limits.decode_memory_mb)
    share = total // (2 * max(1, len(lanes_of(settings.jobs))))
    MEMORY.limit(share)
    os.environ[VARIABLE] = str(max(1, share // MEGABYTE))


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    end(process, _END_SECONDS)
