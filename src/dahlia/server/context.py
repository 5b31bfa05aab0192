"""What every request needs: settings, database, files, the time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dahlia.errors import DahliaError
from dahlia.server.disk_space import DiskSpace
from dahlia.server.keys.rates import Rates

if TYPE_CHECKING:
    from dahlia.server.database.sessions import Database
    from dahlia.server.keys.signing import Signing
    from dahlia.server.storage.links import Links
    from dahlia.server.storage.storage import Storage
    from dahlia.settings.server import Settings


_logger = logging.getLogger("dahlia.server")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Server:
    """The parts of a running server; tests put in their own.

    Attributes:
        settings: what its operator chose.
        database: what it knows.
        storage: its files.
        signing: signs links and tokens.
        rates: counts the calls of each key.
        space: tells whether its disks have room for more.
        on_publish: called after what is published has changed.
        now: the time, aware.
        opened: when it was opened, aware.
    """

    settings: Settings
    database: Database
    storage: Storage
    signing: Signing
    rates: Rates = field(default_factory=Rates)
    space: DiskSpace = field(default_factory=DiskSpace)
    on_publish: list[Callable[[], None]] = field(default_factory=list)
    now: Callable[[], datetime] = field(default=_now)
    opened: datetime = field(default_factory=_now)

    @property
    def links(self) -> Links:
        """Signs the addresses of files."""
        return self.signing.links

    def published_changed(self) -> None:
        """Tell the followers of what is published, once the change is in the database."""
        for tell in self.on_publish:
            try:
                tell()
            except DahliaError as error:  # the change stands; who follows it sees it a moment later
                _logger.warning("What is published is seen later. %s", error)
