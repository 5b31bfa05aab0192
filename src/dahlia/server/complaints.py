"""Faults that a background task meets again and again, logged once."""

from __future__ import annotations

import logging


class Complaints:
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
