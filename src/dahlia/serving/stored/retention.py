"""What is deleted of the predictions that are kept: whole segments, the oldest first."""

from __future__ import annotations

from pathlib import Path

from dahlia.serving.stored.records import START_BYTES, began, segments_in, walk
from dahlia.serving.stored.segments import is_being_written

_YOUNG = 60.0  # a segment has no lock in its first moment


def delete_old(folder: Path, *, max_bytes: int, keep_seconds: float, reserve: int, now: float) -> int:
    """Delete what is too old or too much, in the segments that no living process writes.

    Args:
        folder: of the segments.
        max_bytes: what all of them may take.
        keep_seconds: how long a segment is kept after its newest record.
        reserve: bytes counted for one that is being written and may still grow so far.
        now: seconds since 1970.

    Returns:
        Bytes that were freed.
    """
    closed: list[tuple[Path, int]] = []
    total = freed = 0
    for path in segments_in(folder):
        try:
            size, live = path.stat().st_size, is_being_written(path)
            expired = not live and _expired(path, size, now, keep_seconds)
        except OSError:  # deleted by another process, or not for us to read
            continue
        if expired:
            freed += _delete(path, size)
        elif live:
            total += max(size, reserve)
        else:
            total += size
            closed.append((path, size))
    for path, size in closed:
        if total <= max_bytes:
            break
        freed += _delete(path, size)
        total -= size
    return freed


def _expired(path: Path, size: int, now: float, keep_seconds: float) -> bool:
    if size <= START_BYTES:
        return began(path) + _YOUNG < now
    # Records are not older than the name says: only what may have expired needs to be read.
    return began(path) + keep_seconds < now and _newest(path) + keep_seconds < now


def _newest(path: Path) -> float:
    with path.open("rb") as file:
        times = [record.time for record in walk(file)]
    return max(times) if times else path.stat().st_mtime  # of a later version, or damaged


def _delete(path: Path, size: int) -> int:
    try:
        path.unlink()
    except OSError:
        return 0
    return size
