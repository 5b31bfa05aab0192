"""The folder of the backups that the server makes itself: their names, the last one, and their metrics."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dahlia.files import write_text

NAMES = "dahlia-*.zip"
FAILURE = "last-failure.txt"

_NAME = re.compile(r"dahlia-(\d{8}T\d{6}Z)\.zip")
_MOMENT = "%Y%m%dT%H%M%SZ"
_AHEAD = timedelta(hours=1)  # a name further in the future comes from a clock that was wrong


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
