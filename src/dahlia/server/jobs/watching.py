"""Watching for workers that give no sign of life, in the background of workers and servers."""

from __future__ import annotations

import logging

from dahlia.server.background import Repeated
from dahlia.server.context import Server
from dahlia.server.database.errors import StoreError
from dahlia.server.jobs.leases import Watch

_LOOKS_IN_A_LEASE = 8

_logger = logging.getLogger("dahlia.worker")


class LeaseWatch:
    """Takes jobs over from workers that are gone, several looks in a lease.

    Args:
        server: whose jobs.
    """

    def __init__(self, server: Server) -> None:
        lease = server.settings.jobs.lease_seconds
        self._watch = Watch(server.database, lease)
        self._thread = Repeated("watch", lease / _LOOKS_IN_A_LEASE, self._look)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._thread.stop()

    def _look(self) -> None:
        try:
            if taken := self._watch.look():
                _logger.warning("Jobs taken over from workers that gave no sign of life: %d.", taken)
        except StoreError as error:
            _logger.warning("Other workers cannot be watched now. %s", error)
