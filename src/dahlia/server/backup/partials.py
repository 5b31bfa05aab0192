"""Backups that are being written, and what is left of those whose writer was killed."""

from __future__ import annotations

import fcntl
import glob
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RANDOM = "?" * 8  # of the names that `dahlia.files.staged_file` gives
_YOUNG = 60.0  # seconds; its writer may not have taken hold of it yet


@contextmanager
def held(partial: Path) -> Iterator[None]:
    """Hold a file, as long as this process lives at most, so that nobody takes it for a leftover."""
    with partial.open("rb") as file:
        _lock(file.fileno())
        yield


def scratch_of(partial: Path) -> Path:
    """A file for intermediate results, which goes with the partial one."""
    return partial.with_name(f"{partial.name}.scratch")


def remove_leftovers(folder: Path, pattern: str) -> list[Path]:
    """Remove what killed writers left.

    Args:
        folder: of the backups.
        pattern: of the names that the backups were to have; glob's.

    Returns:
        What is gone.
    """
    gone = []
    for path in folder.glob(f".{pattern}.{_RANDOM}.zip"):
        with path.open("rb") as file:
            if time.time() - path.stat().st_mtime < _YOUNG or not _lock(file.fileno()):
                continue
            scratch_of(path).unlink(missing_ok=True)
            path.unlink()
            gone.append(path)
    return gone


def literally(name: str) -> str:
    """A pattern that only this name fits."""
    return glob.escape(name)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another, or on a file system that has no locks
        return False
    return True
