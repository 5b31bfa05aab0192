"""The thread that brings kept predictions into the store, and deletes the old ones."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from dahlia.errors import DahliaError
from dahlia.server.background import Repeated
from dahlia.server.predictions.journal import Journal
from dahlia.server.predictions.retention import delete_old

if TYPE_CHECKING:
    from dahlia.server.context import Server

_SECONDS = 2.0
_TURN = 30.0  # seconds that one turn may take
_TIDY_SECONDS = 3600.0
_TIDY_SHARE = 16  # of the bytes that are kept, what may come until the old are looked after

_logger = logging.getLogger("dahlia.server")


class Keeper:
    """Works in the background from `start` to `stop`.

    Args:
        server: its settings say what is kept.
        journal: is followed.
    """

    def __init__(self, server: Server, journal: Journal) -> None:
        self._server = server
        self._journal = journal
        self._tidied: tuple[float, int] | None = None
        self._complaint = ""
        self._thread = Repeated("journal", _SECONDS, self.turn, at_once=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until it has."""
        self._thread.stop(patience=_TURN)

    def turn(self, seconds: float = _TURN) -> None:
        """Do what is due; faults are logged, once each."""
        try:
            self._journal.catch_up(seconds)
            self._tidy()
            self._complaint = ""
        except DahliaError as error:
            if str(error) != self._complaint:
                _logger.error("Kept predictions wait to be stored. %s", error)
            self._complaint = str(error)

    def _tidy(self) -> None:
        now, taken = time.monotonic(), self._journal.taken
        share = (self._server.settings.predictions.max_mb << 20) / _TIDY_SHARE
        if self._tidied and now - self._tidied[0] < _TIDY_SECONDS and taken - self._tidied[1] < share:
            return
        self._tidied = now, taken
        if deleted := delete_old(self._server):
            _logger.info("Deleted %d predictions: too old, or too many.", deleted)
