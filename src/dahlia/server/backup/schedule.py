"""The backups that the server makes itself, each in a process of its own, which ends with the server."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dahlia.errors import DahliaError
from dahlia.processes import end
from dahlia.server.backup.archive import INCOMPLETE
from dahlia.server.backup.folder import is_due, note_failure

if TYPE_CHECKING:
    from dahlia.server.context import Server

LOOK_SECONDS = 30.0
_RETRY_SECONDS = 3600.0
_OTHERS_SECONDS = 300.0
_POLL_SECONDS = 0.2
_END_SECONDS = 15.0
_NICE = 10

_logger = logging.getLogger("dahlia.server")


class Backups:
    """Makes a backup whenever the last one is older than `backup.every` hours.

    A process of its own answers no requests, has a low priority, and gives back the memory that the list of a
    backup's files takes.

    Args:
        server: that is backed up.
        config: the file of its settings; None where there is none.
        look_seconds: between two looks at the folder, where another server's backup may lie.
    """

    def __init__(self, server: Server, config: Path | None, look_seconds: float = LOOK_SECONDS) -> None:
        self._server = server
        self._hours = server.settings.backup.every
        self._folder = server.settings.backup_folder
        self._look_seconds = look_seconds
        self._command = [sys.executable, "-m", "dahlia", "backup", "--attached"]
        if config:
            self._command += ["--config", str(config)]
        self._not_before = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="backups", daemon=True)

    def start(self) -> None:
        """Begin; where `backup.every` is 0, only say so."""
        if self._hours:
            self._thread.start()
        else:
            _logger.info("No backup is made by itself. Set backup.every, or run `dahlia backup` regularly.")

    def stop(self) -> None:
        """End; a backup that is under way is given up."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._stop.is_set():
            due = is_due(self._folder, self._hours, self._server.now())
            if due and time.monotonic() >= self._not_before:
                self._make()
            self._stop.wait(self._look_seconds)

    def _make(self) -> None:
        with tempfile.TemporaryFile() as output:
            code = self._run(output)
            output.seek(0)
            text = output.read().decode("utf-8", "replace").strip()
        if code is None:
            return
        if code in (0, INCOMPLETE):
            self._succeeded(code, text)
        else:
            self._failed(code, text)

    def _succeeded(self, code: int, text: str) -> None:
        if not text:  # another server has made it, or is at it
            self._not_before = time.monotonic() + _OTHERS_SECONDS
            return
        _logger.log(logging.WARNING if code else logging.INFO, "Backup: %s", text)
        self._note(None)

    def _failed(self, code: int, text: str) -> None:
        retry = min(_RETRY_SECONDS, 3600 * self._hours)
        self._not_before = time.monotonic() + retry
        _logger.error(
            "THE BACKUP FAILED (exit status %d). Earlier ones are kept; another try is in %.0f minutes. %s",
            code, retry / 60, text,
        )  # fmt: skip
        self._note(text or f"exit status {code}")

    def _run(self, output: IO[bytes]) -> int | None:
        """The exit status of the process; None where the server ends meanwhile."""
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while process.poll() is None and not self._stop.wait(_POLL_SECONDS):
            pass
        assert process.stdin is not None
        process.stdin.close()
        if not self._stop.is_set():
            return process.wait()
        end(process, _END_SECONDS)
        return None

    def _note(self, failure: str | None) -> None:
        try:
            note_failure(self._folder, failure)
        except (DahliaError, OSError) as error:
            _logger.warning("What became of the backup cannot be noted in %s. %s", self._folder, error)


def attach() -> None:
    """Give way to other processes, and end when the standard input closes or SIGTERM comes.

    What was begun is cleaned up either way.
    """
    import psutil  # type: ignore[import-untyped]

    os.nice(_NICE)
    if sys.platform == "linux":
        psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, 7)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    threading.Thread(target=_follow_input, daemon=True).start()


def _follow_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
