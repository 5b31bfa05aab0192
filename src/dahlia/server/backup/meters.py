"""The server's backups, as Prometheus reads them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from dahlia.server.backup.folder import FAILURE, last_backup


def backup_metrics(folder: Path, now: datetime) -> bytes:
    """How old the last verified backup is, and whether the last attempt failed.

    Args:
        folder: of the server's own backups, from which both are read: they outlive the process.
        now: the time.
    """
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
