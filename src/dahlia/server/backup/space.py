"""Whether a backup fits on its disk, before it is begun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.orm import Session

from dahlia.errors import DahliaError
from dahlia.server.backup.archive import ARTIFACTS, MLFLOW
from dahlia.server.database.reserve import free_bytes, present
from dahlia.server.storage.errors import StorageError

if TYPE_CHECKING:
    from dahlia.server.context import Server

_PER_FILE = 400  # bytes of a zip for a file besides its own: two headers with its name
_SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


def check_room(server: Server, folder: Path) -> None:
    """See that the disk of a folder has room for a backup. Photos do not shrink: it takes what they take.

    Raises:
        DahliaError: it has not; the message has both sizes.
    """
    needed = _stored(server) + _tracking(server.settings.server.home)
    with server.database.read() as session:
        needed += _rows(session)
    free = free_bytes(present(folder.absolute()))
    if needed > free:
        raise DahliaError(
            f"Expected {_megabytes(needed)} of free space in {folder} for a backup, found {_megabytes(free)}"
            ". Make room there, or name a folder on another disk (backup.folder)."
        )


def _stored(server: Server) -> int:
    try:
        return sum(entry.size + _PER_FILE for entry in server.storage.keys(""))
    except StorageError:
        return 0  # what cannot be listed is named when files are copied


def _rows(session: Session) -> int:
    connection = session.connection()
    return int(connection.scalar(text(_SIZES[connection.dialect.name])) or 0)


def _tracking(home: Path) -> int:
    artifacts = sum(path.stat().st_size for path in (home / ARTIFACTS).rglob("*") if path.is_file())
    database = home / MLFLOW
    # Twice: as a copy of one moment, and in the backup.
    return artifacts + (2 * database.stat().st_size if database.exists() else 0)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
