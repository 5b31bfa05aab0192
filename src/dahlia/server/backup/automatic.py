"""The backups that the server makes itself: each in a process of its own, and the folder where they lie.

A process ends with the server. Only a verified backup has a name in the folder.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dahlia.errors import DahliaError
from dahlia.files import write_text
from dahlia.processes import end
from dahlia.server.backup.archive import ABOUT, INCOMPLETE, About

if TYPE_CHECKING:
    from dahlia.server.context import Server

LOOK_SECONDS = 30.0
NAMES = "dahlia-*.zip"
FAILURE = "last-failure.txt"

_RETRY_SECONDS = 3600.0
_OTHERS_SECONDS = 300.0
_POLL_SECONDS = 0.2
_END_SECONDS = 15.0
_NICE = 10
_NAME = re.compile(r"dahlia-(\d{8}T\d{6}Z)\.zip")
_MOMENT = "%Y%m%dT%H%M%SZ"
_AHEAD = timedelta(hours=1)  # a name further in the future comes from a clock that was wrong

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


def backup_name(moment: datetime) -> str:
    """The name of a backup that is begun at a moment; only a verified one has it."""
    return f"dahlia-{moment.astimezone(UTC):{_MOMENT}}.zip"


def backups_in(folder: Path) -> list[tuple[datetime, Path]]:
    """The backups in a folder, and when each was begun; the newest first."""
    found = []
    try:
        paths = list(folder.glob(NAMES))
    except OSError:
        return []
    for path in paths:
        if match := _NAME.fullmatch(path.name):
            found.append((datetime.strptime(match[1], _MOMENT).replace(tzinfo=UTC), path))
    return sorted(found, reverse=True)


def last_backup(folder: Path, now: datetime) -> tuple[datetime, Path] | None:
    """The newest backup that is not dated in the future."""
    return next((one for one in backups_in(folder) if one[0] <= now + _AHEAD), None)


def is_due(folder: Path, hours: float, now: datetime) -> bool:
    """Whether the last backup is older than so many hours, or there is none."""
    last = last_backup(folder, now)
    return last is None or now - last[0] >= timedelta(hours=hours)


def note_failure(folder: Path, text: str | None) -> None:
    """Keep what went wrong with the last backup beside the others; None where it went well.

    Raises:
        DahliaError: it cannot be written.
        OSError: the earlier one cannot be deleted.
    """
    if text is None:
        (folder / FAILURE).unlink(missing_ok=True)
    else:
        write_text(folder / FAILURE, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: {text}\n")


def way_back(folder: Path, *, is_file: bool = True) -> str:
    """What an operator does whose database is lost.

    Args:
        folder: of the server's own backups.
        is_file: whether the database is one, and no PostgreSQL.
    """
    keep = (
        "End the server and keep the file: move it away with those beside it that end in -wal and -shm."
        if is_file
        else "End the server and keep the database; name an empty one with DAHLIA_DATABASE_URL."
    )
    if found := backups_in(folder):
        moment, path = found[0]
        return f"{keep} Then `dahlia restore {path}` brings back the state of {moment:%Y-%m-%d %H:%M} UTC."
    return (
        f"{keep} Restore your last backup with `dahlia restore FILE`; there is none in {folder}. "
        "Without one, `dahlia rescue` brings back the photos from the storage."
    )


def backup_metrics(folder: Path, now: datetime) -> bytes:
    """How old the last verified backup is, and whether the last attempt failed.

    Args:
        folder: of the server's own backups, from which both are read: they outlive the process.
        now: the time.
    """
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    last = last_backup(folder, now)
    if last:
        age = Gauge(
            "dahlia_backup_age_seconds",
            "Seconds since the last verified backup was begun; absent where there is none",
            registry=registry,
        )
        age.set(max(0.0, (now - last[0]).total_seconds()))
    failed = Gauge(
        "dahlia_backup_failed", "1 where the last backup of the server's own failed", registry=registry
    )
    failed.set((folder / FAILURE).exists())
    return generate_latest(registry)


def prune(new: Path, about: About, keep: int) -> tuple[Path, ...]:
    """Delete old backups; where the new one lacks files, the last one that lacks none stays too.

    Args:
        new: the backup that was just verified.
        about: what it says of itself.
        keep: how many stay, the new one among them.

    Returns:
        Those that are gone.
    """
    others = [path for _, path in backups_in(new.parent) if path != new]
    old = others[keep - 1 :]
    if about.missing:
        complete = next((path for path in others if _is_complete(path)), None)
        old = [path for path in old if path != complete]
    gone = []
    for path in old:
        with suppress(OSError):  # the next time will do
            path.unlink()
            gone.append(path)
    return tuple(gone)


def _follow_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _is_complete(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return not About.model_validate_json(archive.read(ABOUT)).missing
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return False
