"""Which storage a backup may be restored to, and how it becomes that of the database again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from dahlia.server.database.server_tables import IdentityRow
from dahlia.server.pairing.errors import PairingError
from dahlia.server.pairing.evidence import sample
from dahlia.server.pairing.identity import read_identity
from dahlia.server.pairing.pairing import adopt, join

if TYPE_CHECKING:
    from dahlia.server.database.sessions import Database
    from dahlia.server.storage.storage import Storage


def check_target(storage: Storage, servers: Collection[str], holds: Callable[[str], bool]) -> bool:
    """See that a storage is empty, or that of the server that was backed up.

    Args:
        storage: where the files are to go.
        servers: ids of the server that was backed up, present and earlier.
        holds: whether the backup holds a file.

    Returns:
        Whether it is empty.

    Raises:
        PairingError: it is another server's.
        StorageError: it cannot be read.
    """
    files, stored = sample(storage), read_identity(storage)
    if stored is None:
        is_ours = any(holds(key) for key in files)
    else:
        is_ours = not {stored.server, *stored.earlier}.isdisjoint(servers)
    if files and not is_ours:
        raise PairingError(
            f"Expected an empty storage, or that of the server that was backed up, in {storage.place}; "
            "received the files of another.",
            "prefix",
        )
    return not files


def take_back(database: Database, storage: Storage, now: datetime, *, was_empty: bool) -> None:
    """After a backup was restored: make database and storage belong together.

    A storage that was empty has the files of the backup alone, and gets an id of its own, so that two servers
    that were restored from one backup are two. The server's own storage may have files that are newer than
    the backup: none of them is deleted by cleaning.

    Args:
        database: with the rows of the backup.
        storage: with its files.
        now: the time.
        was_empty: whether the storage had no files before.

    Raises:
        DahliaError: one of them cannot be used.
    """
    with database.read() as session:
        backed_up = session.get(IdentityRow, 1)
    if was_empty:
        join(database, storage, str(uuid4()), backed_up.made if backed_up else now)
    else:
        adopt(database, storage, now)
