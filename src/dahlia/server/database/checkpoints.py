"""The write-ahead log, brought into the database's file again and again.

SQLite does so by itself once the log has 4 MB, which a quiet server may not write in a day; until then its
file is as old as that, and a copy of the file alone would be too.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from dahlia.server.background import FaultLog, Repeated
from dahlia.server.database.errors import DamageError, DatabaseError, damage_of
from dahlia.server.database.schema import file_of
from dahlia.server.database.sessions import BUSY_SECONDS, Database

SECONDS = 5.0

_logger = logging.getLogger("dahlia.server")


def checkpoint(database: Database) -> bool:
    """Bring what the log holds into the file, and empty the log; waits for no reader.

    A reader that is at work keeps what was written after it began in the log, and the log from being emptied.

    Returns:
        Whether the file holds everything now; always for PostgreSQL.

    Raises:
        DatabaseError: the database cannot be used.
    """
    file = file_of(database)
    if file is None or not _has_log(file):
        return True
    with database.watched(), closing(database.engine.raw_connection()) as connection:
        cursor = connection.cursor()
        try:
            cursor.execute("PRAGMA busy_timeout = 0")
            # First most of it beside the writers, then the rest, while they wait.
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            with database.alone():
                busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_SECONDS)}")
        except sqlite3.Error as error:
            connection.invalidate()
            raise _fault(error) from error
        cursor.close()
    return not busy


class Checkpoints:
    """Empties the log in the background, and once more when it is stopped.

    Args:
        database: whose log.
        seconds: between two looks; what the file may lag behind while no reader holds the log.
    """

    def __init__(self, database: Database, seconds: float = SECONDS) -> None:
        self._database = database
        self._faults = FaultLog(_logger)
        self._thread = Repeated("checkpoints", seconds, self._turn)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, with the file up to date."""
        self._thread.stop()
        self._turn()

    def _turn(self) -> None:
        if self._database.damage:
            return  # the file stays as it was found
        try:
            checkpoint(self._database)
            self._faults.forget()
        except DatabaseError as error:
            self._faults.log(f"The database's write-ahead log stays as it is. {error}")


def _fault(error: sqlite3.Error) -> DatabaseError:
    if damage := damage_of(error):
        return DamageError(damage)
    return DatabaseError(f"its write-ahead log cannot be emptied ({error})")


def _has_log(file: Path) -> bool:
    try:
        return Path(f"{file}-wal").stat().st_size > 0
    except OSError:
        return False
