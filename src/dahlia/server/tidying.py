"""What a kill left half done: finished or removed when the server starts, and once a day."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from dahlia.errors import DahliaError
from dahlia.server.iterations.files import stale_prefixes
from dahlia.server.projects.deleting import finish_deletions
from dahlia.server.storage.orphans import remove_orphans
from dahlia.server.store.tables import ImageRow
from dahlia.server.store.work_tables import PredictionRow

if TYPE_CHECKING:
    from dahlia.server.context import Server

_DAY = 24 * 3600.0

_logger = logging.getLogger("dahlia.server")


def tidy(server: Server) -> None:
    """Finish deletions that were cut off, and delete files that no row names and that are a day old.

    Raises:
        DahliaError: database or storage cannot be used.
    """
    deletions = finish_deletions(server)
    prefixes = stale_prefixes(server)
    for prefix in prefixes:
        server.storage.delete_folder(prefix)
    images = remove_orphans(server.storage, lambda hashes: _named(server, hashes))
    temporary = server.storage.sweep()
    if deletions or prefixes or images or temporary:
        _logger.info(
            "Tidied: %d deletions finished; removed %d folders of iterations, %d images, %d temporary files.",
            deletions, len(prefixes), images, temporary,
        )  # fmt: skip


class Tidying:
    """Tidies in the background, now and once a day.

    Args:
        server: what is tidied.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="tidying", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                tidy(self._server)
            except DahliaError as error:
                _logger.warning("Nothing could be tidied; it is tried again tomorrow. %s", error)
            self._stop.wait(_DAY)


def _named(server: Server, hashes: Sequence[str]) -> set[str]:
    with server.database.read() as session:
        images = session.scalars(select(ImageRow.sha256).where(ImageRow.sha256.in_(hashes)))
        kept = session.scalars(select(PredictionRow.sha256).where(PredictionRow.sha256.in_(hashes)))
        return {*images, *kept}
