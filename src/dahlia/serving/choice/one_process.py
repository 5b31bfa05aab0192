"""A module of the package as a process beside the service, which ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import dahlia


class OneProcess:
    """Runs modules, one at a time: whatever they do, the service goes on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def run(self, module: str, arguments: Sequence[str], seconds: float) -> tuple[bytes, bytes]:
        """Run `python -m`.

        Args:
            module: its name.
            arguments: of it.
            seconds: after which it is killed.

        Returns:
            What it printed, on its output and as errors; where it was killed, why.

        Raises:
            OSError: it cannot be started.
        """
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(_paths())}
        command = [sys.executable, "-P", "-m", module, *arguments]
        with self._lock:
            if self._is_closed:
                return b"", b""
            process = self._running = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
            )
        with process:
            try:
                return process.communicate(timeout=max(0.0, seconds))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                return b"", f"it took more than {seconds:.0f} seconds".encode()
            finally:
                self._running = None

    @property
    def is_running(self) -> bool:
        """Whether there is a process now."""
        return self._running is not None

    def close(self) -> None:
        """End what runs, and start nothing more."""
        with self._lock:
            self._is_closed = True
            if (process := self._running) is not None:
                process.kill()


def _paths() -> list[str]:
    """Where the process finds this code, and what was set for Python from outside.

    A Bento has a copy of the code, by a path that only its own process has. What else that has may come from
    somebody else: BentoML adds the folder in which it is started.
    """
    code = Path(dahlia.__file__).resolve().parents[1]
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [str(code), *(path for path in others if Path(path).is_absolute())]


def last_line(errors: bytes) -> str:
    """What a process said last, cut to a line."""
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
