"""A server out of its settings: the schema brought up to date, the files at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from dahlia.errors import ConfigError
from dahlia.server.context import Server
from dahlia.server.disk_space import DiskSpace
from dahlia.server.keys.secrets import secret
from dahlia.server.storage.links import Links
from dahlia.server.storage.storage import Storage
from dahlia.server.store import schema
from dahlia.server.store.database import Database
from dahlia.server.store.errors import StoreError

if TYPE_CHECKING:
    from dahlia.server.settings import Settings


def open_server(settings: Settings, *, paired: bool = True) -> Server:
    """Open database and storage.

    Args:
        settings: what to open.
        paired: whether the two must belong together; commands that repair a server open what they find.

    Raises:
        DahliaError: one of them cannot be used.
    """
    _make_home(settings.server.home)
    database = Database(settings.database_url.reveal())
    try:
        schema.upgrade(database)
    except StoreError as error:
        raise _unreachable(error) from error
    storage = Storage(settings.storage_url.reveal())
    links = Links(secret(database, "links"), hours=settings.security.link_hours)
    space = DiskSpace.of(settings, database, storage)
    return Server(settings, database, storage, links, space=space)


def _unreachable(error: StoreError) -> ConfigError:
    fault = error.__cause__
    reason = str(fault.orig if isinstance(fault, DBAPIError) else fault).strip().splitlines()
    return ConfigError(
        f"The server's database cannot be opened: {reason[0] if reason else error}. See that it runs and may "
        "be written, or name another with DAHLIA_DATABASE_URL."
    )


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The server's home {home} cannot be made: {error.strerror}. Name another with "
            "DAHLIA_SERVER_HOME."
        ) from error
