"""Predictions that are kept: the image and the answer, written behind the request's back.

images/ab/abcd...      the file, named by its SHA-256
answers/<id>.json      the answer, with the image's name, the publish name and the application
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dahlia.errors import DahliaError
from dahlia.files import staged_file, write_json

MAX_PENDING = 64 * 1024 * 1024

_logger = logging.getLogger("bentoml.dahlia")


@dataclass(frozen=True)
class Kept:
    """One prediction to keep, and the id of its request for the log."""

    image: bytes
    answer: dict[str, Any]
    name: str
    application: str | None
    request: str


class PredictionStore:
    """Writes predictions in one background thread, with a bounded backlog.

    Args:
        folder: where to write.
        max_pending: bytes of images that may wait; beyond it a prediction is answered but not kept.
    """

    def __init__(self, folder: Path, max_pending: int = MAX_PENDING) -> None:
        self.not_stored = 0
        self._folder = folder
        self._max_pending = max_pending
        self._pending = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Kept | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._drain, name="predictions", daemon=True)
        self._thread.start()

    def offer(self, kept: Kept) -> bool:
        """Keep a prediction unless too much is waiting; never blocks."""
        with self._lock:
            accepted = self._pending + len(kept.image) <= self._max_pending
            if accepted:
                self._pending += len(kept.image)
        if not accepted:
            self._miss(kept, "too much is waiting to be written")
            return False
        self._queue.put(kept)
        return True

    def close(self) -> None:
        """Write what is waiting, then end."""
        self._queue.put(None)
        self._thread.join(timeout=30)

    def _drain(self) -> None:
        while (kept := self._queue.get()) is not None:
            try:
                self._write(kept)
            except DahliaError as error:
                self._miss(kept, str(error))
            with self._lock:
                self._pending -= len(kept.image)

    def _write(self, kept: Kept) -> None:
        digest = hashlib.sha256(kept.image).hexdigest()
        image = self._folder / "images" / digest[:2] / digest
        if not image.exists():
            with staged_file(image) as staged:
                staged.write_bytes(kept.image)
        facts = {"image": digest, "publishName": kept.name, "application": kept.application}
        write_json(self._folder / "answers" / f"{kept.answer['id']}.json", kept.answer | facts)

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
