"""Starting and ending a warm process."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_LONGEST = 107  # bytes of a socket's path, a limit of the system
_NAME = "socket"
_GRACE = 5.0  # seconds


class WarmProcess:
    """A process that has everything imported; commands with `DAHLIA_WARM=<socket>` are forked from it.

    Only on Linux: elsewhere system libraries do not allow to be used after a fork. There it is never ready,
    and commands run by themselves.

    Attributes:
        socket: what `DAHLIA_WARM` is to be; may be set before the process is ready.
    """

    def __init__(self, socket: Path, process: subprocess.Popen[bytes] | None) -> None:
        self.socket = socket
        self._process = process
        self._is_ready = False

    @classmethod
    def start(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Start one; it is ready some seconds later, and ends when this process does at the latest.

        What it has to say goes to standard error, such as why a command is not forked: variables that
        libraries read once, limits and user must be those of the command.

        Args:
            environment: its variables; this process's where left out.
        """
        folder = _private_folder()
        if sys.platform != "linux":
            return cls(folder / _NAME, None)
        process = subprocess.Popen(
            [sys.executable, "-m", "dahlia.warm", "serve", str(folder / _NAME)],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        return cls(folder / _NAME, process)

    @property
    def ready(self) -> bool:
        """Whether commands are forked now; before and after, they run by themselves."""
        return self.wait_until_ready(0)

    @property
    def alive(self) -> bool:
        """Whether it runs, ready or not yet. If it does not, start another."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process's id; None where there is none."""
        return self._process.pid if self._process else None

    def wait_until_ready(self, timeout: float) -> bool:
        """Wait so many seconds at most; False if it is not ready by then, or has ended."""
        if self._process is None or self._process.stdout is None:
            return False
        if not self._is_ready and not self._process.stdout.closed:
            readable, _, _ = select.select([self._process.stdout], [], [], timeout)
            self._is_ready = bool(readable and self._process.stdout.readline())
        return self._is_ready and self.alive

    def close(self) -> None:
        """End it. Commands that were forked go on."""
        if self._process is not None:
            self._end(self._process)
        shutil.rmtree(self.socket.parent, ignore_errors=True)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _private_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dahlia-warm-"))
    if len(os.fsencode(folder / _NAME)) <= _LONGEST:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="dahlia-warm-", dir="/tmp"))
