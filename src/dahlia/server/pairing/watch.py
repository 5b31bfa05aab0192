"""While the server runs: the storage hears how far the database has come, and both go on being compared."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dahlia.errors import DahliaError
from dahlia.server.background import FaultLog, Repeated
from dahlia.server.pairing.errors import PairingError
from dahlia.server.pairing.pairing import check, note_position, pair

if TYPE_CHECKING:
    from dahlia.server.context import Server

SECONDS = 10.0  # of changes that an old copy of the database may lack without being recognised
REASON = "its files belong to another database, or are gone"

_logger = logging.getLogger("dahlia.server")


class PairingWatch:
    """Compares database and storage every few seconds. While they do not fit, nothing is written.

    Args:
        server: whose they are.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._is_paired = False
        self._faults = FaultLog(_logger)
        self._thread = Repeated("pairing", SECONDS, self.look)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Compare once more, and end."""
        self._thread.stop()
        self.look()

    def look(self) -> None:
        """Compare now."""
        database = self._server.database
        try:
            self._compare()
        except PairingError as error:
            if database.refused is None:
                _logger.critical("Writing has stopped. %s", error)
                database.refuse_writes(REASON)
        except DahliaError as error:
            self._faults.log(f"Database and storage cannot be compared now. {error}")
        else:
            self._faults.forget()
            if database.refused == REASON:
                _logger.warning("Database and storage fit again; changes are accepted.")
                database.accept_writes()

    def _compare(self) -> None:
        database, storage = self._server.database, self._server.storage
        if not self._is_paired:  # the storage could not be asked when the server started
            pair(database, storage, self._server.now())
            self._is_paired = True
        note_position(database, storage, check(database, storage))
