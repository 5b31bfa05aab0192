"""Background tasks: done again and again in a thread of their own, their faults logged once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable


class Repeated:
    """Calls a function every few seconds, from `start` to `stop`.

    Args:
        name: of the thread.
        seconds: between the end of a call and the next.
        work: must not raise.
        at_once: whether it is called at the start; otherwise `seconds` later.
    """

    def __init__(self, name: str, seconds: float, work: Callable[[], None], *, at_once: bool = False) -> None:
        self._seconds = seconds
        self._work = work
        self._at_once = at_once
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, patience: float | None = None) -> None:
        """Begin no further call, and wait for the one under way.

        Args:
            patience: seconds to wait at most; None for as long as it takes.
        """
        self._stop.set()
        self._thread.join(patience)

    def _follow(self) -> None:
        if self._at_once:
            self._work()
        while not self._stop.wait(self._seconds):
            self._work()


class FaultLog:
    """Logs a fault when it is first met, and again when it has changed or was gone meanwhile.

    Args:
        logger: takes the lines.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last = ""

    def log(self, text: str) -> None:
        """Log a warning, unless it was the last one."""
        if text != self._last:
            self._logger.warning("%s", text)
        self._last = text

    def forget(self) -> None:
        """Note that the fault is gone."""
        self._last = ""
