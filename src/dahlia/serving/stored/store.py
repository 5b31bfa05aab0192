"""Predictions that are kept: appended to a segment before the answer leaves, synced behind it.

What is appended is in the hands of the operating system and survives the death of the process; a second
later it survives the death of the machine. Several processes share a folder, each with segments of its own.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dahlia.serving.stored.segments import (
    MARKER_BYTES,
    START_BYTES,
    Segment,
    began,
    head_of,
    is_being_written,
    segments_in,
    walk,
)

MAX_PENDING = 64 * 1024 * 1024
MAX_BYTES = 10 * 1024 * 1024 * 1024
SEGMENT_BYTES = 64 * 1024 * 1024
KEEP_DAYS = 30.0

_SEGMENT_SECONDS = 3600.0
_SYNC_SECONDS = 1.0
_TIDY_SECONDS = 3600.0
_DAY = 86400.0
_YOUNG = 60.0  # a segment has no lock in its first moment

_encode = json.JSONEncoder(separators=(",", ":")).encode
_logger = logging.getLogger("bentoml.dahlia")


@dataclass(frozen=True, slots=True)
class Kept:
    """One prediction to keep, and the id of its request."""

    image: bytes
    answer: Mapping[str, Any]
    name: str
    application: str | None
    request: str


class PredictionStore:
    """Keeps predictions of this process; what it cannot keep it counts, and never raises.

    Args:
        folder: where the segments are, those of other processes too.
        max_pending: bytes that may be written and not yet synced; beyond it nothing is kept.
        max_bytes: what all segments in the folder may take; the oldest make room.
        keep_days: how long a segment is kept after its newest record.
        segment_bytes: when a new segment is begun; at most an eighth of `max_bytes`.
        clock: seconds since 1970.
        hindrance: gives why nothing is to be kept at the moment; an empty text while it may be.

    Attributes:
        stored: predictions that were kept.
        not_stored: predictions that were offered and not kept.
    """

    def __init__(
        self,
        folder: Path,
        max_pending: int = MAX_PENDING,
        *,
        max_bytes: int = MAX_BYTES,
        keep_days: float = KEEP_DAYS,
        segment_bytes: int = SEGMENT_BYTES,
        clock: Callable[[], float] = time.time,
        hindrance: Callable[[], str] = str,
    ) -> None:
        self.stored = 0
        self.not_stored = 0
        self._folder = folder
        self._max_pending = max_pending
        self._max_bytes = max_bytes
        self._keep_days = keep_days
        self._segment_bytes = min(segment_bytes, max_bytes // 8)
        self._clock = clock
        self._hindrance = hindrance
        self._marker = os.urandom(MARKER_BYTES)
        self._pending = 0
        self._tidied = -_TIDY_SECONDS
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._trouble = ""
        self._segment = self._begin()
        self._thread = threading.Thread(target=self._attend, name="predictions", daemon=True)
        self._thread.start()

    def offer(self, kept: Kept) -> bool:
        """Keep a prediction; whether it was. Waits for no disk, unless the system has no memory left."""
        facts = {"publishName": kept.name, "application": kept.application, "request": kept.request}
        said = _encode({**kept.answer, **facts}).encode()
        head = head_of(self._marker, self._clock(), said, kept.image)
        with self._lock:
            reason = self._hindrance() or self._append((head, said, kept.image))
            if not reason:
                self.stored += 1
        if reason:
            self._miss(kept, reason)
        return not reason

    def close(self) -> None:
        """Sync what was kept, then end; what is offered later is not kept."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout=30)

    def _append(self, parts: Sequence[bytes]) -> str:
        segment, size = self._segment, sum(map(len, parts))
        if segment is None or segment.broken:
            return self._trouble
        if self._pending + size > self._max_pending:
            return f"{self._pending} bytes wait for the disk already"
        try:
            segment.append(parts, size)
        except OSError as error:
            self._trouble = _say(error)
            if segment.broken:
                self._wake.set()
            return self._trouble
        self._pending += size
        full = segment.size - size < self._segment_bytes <= segment.size
        if full or self._pending - size <= self._max_pending // 2 < self._pending:
            self._wake.set()
        return ""

    def _attend(self) -> None:
        while not self._closing:
            try:
                self._turn(self._begin() if self._is_due() else None)
                self._tidy()
            except OSError as error:
                _logger.warning("Old predictions could not be tidied away: %s", error)
            self._wake.wait(_SYNC_SECONDS)
            self._wake.clear()
        self._trouble = "the service is ending"
        self._turn(None, end=True)

    def _is_due(self) -> bool:
        segment = self._segment
        if segment is None or segment.broken or segment.size >= self._segment_bytes or segment.lost:
            return True
        return not segment.empty and self._clock() - segment.began >= _SEGMENT_SECONDS

    def _begin(self) -> Segment | None:
        try:
            segment = Segment(self._folder, self._marker, self._clock())
        except OSError as error:
            self._trouble = _say(error)
            return None
        self._tidied = -_TIDY_SECONDS
        return segment

    def _turn(self, fresh: Segment | None, *, end: bool = False) -> None:
        """Let `fresh` take the place of the present segment, if it is one, and sync what was written."""
        with self._lock:
            segment, pending = self._segment, self._pending
            if fresh or end:
                self._segment = fresh
        if segment is None:
            return
        if pending:
            self._sync(segment)
            with self._lock:
                self._pending -= pending
        if fresh or end:
            segment.close()

    def _sync(self, segment: Segment) -> None:
        try:
            segment.sync()
        except OSError as error:  # the system has given those pages up, and says so once
            self._trouble = _say(error)
            segment.broken = True
            _logger.error("Predictions that were kept may be lost should the machine stop: %s", _say(error))

    def _tidy(self) -> None:
        now = time.monotonic()
        if now - self._tidied < _TIDY_SECONDS:
            return
        self._tidied = now
        freed = delete_old(
            self._folder,
            max_bytes=self._max_bytes,
            keep_seconds=self._keep_days * _DAY,
            reserve=self._segment_bytes,
            now=self._clock(),
        )
        if freed:
            _logger.info("Deleted %.1f MB of predictions: too old, or too many.", freed / 1e6)

    def _miss(self, kept: Kept, reason: str) -> None:
        with self._lock:
            self.not_stored += 1
            count = self.not_stored
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, 8th ...: a full disk must not fill the log too
            _logger.warning(
                "%d predictions were answered and not kept, the last in request %s: %s",
                count,
                kept.request,
                reason,
            )


def _say(error: OSError) -> str:
    return str(error.strerror or error)


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
