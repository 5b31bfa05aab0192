"""What deletions and kills leave behind: finished or removed in the background."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from dahlia.errors import DahliaError
from dahlia.server.background import FaultLog, Repeated
from dahlia.server.cleaning.discards import delete_discarded
from dahlia.server.cleaning.orphans import clean_orphans, find_orphans
from dahlia.server.pairing.pairing import check
from dahlia.server.projects.deleting import finish_deletions

if TYPE_CHECKING:
    from dahlia.server.context import Server

_HOUR = 3600.0
_SETTLED = timedelta(minutes=1)

_logger = logging.getLogger("dahlia.server")


def clean(server: Server) -> None:
    """Finish deletions that were cut off, and delete the files of what was deleted some hours ago.

    While a disk is short of room, files of what was deleted go within minutes.

    Raises:
        DahliaError: database or storage cannot be used, or do not belong together; nothing was deleted then.
    """
    check(server.database, server.storage)
    settings = server.settings.cleaning
    deletions = finish_deletions(server)
    kept, settling = timedelta(hours=settings.deleted_hours), timedelta(minutes=settings.settling_minutes)
    if server.space.shortage():  # nothing is uploaded meanwhile, and what was deleted makes room
        kept, settling = timedelta(0), min(settling, _SETTLED)
    deleted = delete_discarded(server, kept, settling)
    if deletions or deleted:
        _logger.info(
            "Cleaned: finished the deletion of %d projects, deleted the files of %d images and iterations.",
            deletions, deleted,
        )  # fmt: skip


def search(server: Server) -> None:
    """Bring the list of orphans up to date; delete the few that have been on it for long enough.

    Raises:
        DahliaError: see `clean`.
    """
    check(server.database, server.storage)
    found = find_orphans(server)
    if found.new:
        _logger.warning(
            "%d files (%d MB) in the storage belong to no image and no iteration, %d more than before. They "
            "are kept for at least %d days; `dahlia orphans list` shows them.",
            found.orphans, found.size >> 20, found.new, server.settings.cleaning.orphan_days,
        )  # fmt: skip
    deleted = clean_orphans(server, found, timedelta(days=server.settings.cleaning.orphan_days))
    temporary = server.storage.sweep()
    if deleted or temporary:
        _logger.info("Deleted %d orphans and %d unfinished files.", deleted, temporary)


class Cleaning:
    """Cleans in the background: what was deleted every minute, orphans at the start and once a day.

    Args:
        server: what is cleaned.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._searched = -float("inf")
        self._faults = FaultLog(_logger)
        every = server.settings.cleaning.every_seconds
        self._thread = Repeated("cleaning", every, self._turn, at_once=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; a search that is under way may be cut off anywhere."""
        self._thread.stop(patience=0)

    def _turn(self) -> None:
        try:
            clean(self._server)
            if time.monotonic() - self._searched >= self._server.settings.cleaning.search_hours * _HOUR:
                search(self._server)
                self._searched = time.monotonic()
        except DahliaError as error:
            self._faults.log(f"Nothing could be cleaned; it is tried again every minute. {error}")
        else:
            self._faults.forget()
