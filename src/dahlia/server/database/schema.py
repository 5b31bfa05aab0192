"""The schema: a database is seen to be ours, and whole, then brought up to date by its migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Set as AbstractSet
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import Connection, inspect

from dahlia.errors import ConfigError
from dahlia.server.database.errors import DamageError, damage_of, translated_errors
from dahlia.server.database.work_tables import IterationRow

if TYPE_CHECKING:
    from alembic.config import Config

    from dahlia.server.database.sessions import Database

METADATA = IterationRow.metadata
"""Of all tables: the module of the iterations imports that of the others."""

CHECKED_BYTES = 128 << 20
"""A file up to this size is read and checked whole whenever it is opened: 0.1 s for 80 MB."""

_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_REVISION = "alembic_version"
_REVISIONS = f"SELECT version_num FROM {_REVISION}"  # noqa: S608
_TELLING = {"projects", "images", "iterations"}  # tables that every version has had


class UnusableDatabase(ConfigError):  # noqa: N818
    """A database that is not the server's, or is damaged.

    Attributes:
        lost: whether its rows are, so that a backup is the way on.
    """

    def __init__(self, message: str, *, lost: bool = True) -> None:
        super().__init__(message)
        self.lost = lost


def upgrade(database: Database) -> None:
    """Bring the schema to what this version of Dahlia expects; does nothing where it is.

    Raises:
        DatabaseError: the database cannot be used.
        UnusableDatabase: it is another program's, a later version's, or damaged.
    """
    known, newest = _revisions()
    file = file_of(database)
    if file:
        check_file(file, known)
    else:
        with translated_errors(), database.engine.connect() as connection:
            check_database(connection, set(METADATA.tables), known)
    try:
        if revision_of(database) != newest:
            _apply(database)
    except DamageError as error:
        raise (damaged(file, error.fault) if file else error) from None


def revision_of(database: Database) -> str:
    """The migration that the schema is at.

    Raises:
        DatabaseError: the database cannot be used.
    """
    from alembic.migration import MigrationContext

    with translated_errors(), database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def file_of(database: Database) -> Path | None:
    """The file of a SQLite database; None for others."""
    return Path(database.url.database) if database.is_sqlite and database.url.database else None


def is_blank(path: Path) -> bool:
    """Whether there is a file without a byte in it, as a copy that failed leaves."""
    return path.is_file() and path.stat().st_size == 0


def check_file(path: Path, known: AbstractSet[str]) -> None:
    """See that a SQLite file is ours and whole; it is not changed, whatever it is.

    A file that is not there yet, or is empty, may become ours.

    Args:
        path: of the file.
        known: our migrations.

    Raises:
        UnusableDatabase: it is no such file, or cannot be read.
    """
    if not _has_content(path):
        return
    # Our own connections would turn another program's file into one with a write-ahead log.
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            tables = {
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            revisions = {name for (name,) in connection.execute(_REVISIONS)} if _REVISION in tables else set()
            check_tables(str(path), tables, revisions, known)
            fault = _damaged_page(connection, path)
    except sqlite3.Error as error:
        fault = damage_of(error)  # anything else, such as a lock, is met again by who uses it
    if fault:
        raise damaged(path, fault)


def check_database(connection: Connection, ours: AbstractSet[str], known: AbstractSet[str]) -> None:
    """See that a PostgreSQL database is ours; other tables may stand beside ours.

    Args:
        connection: to it.
        ours: names of our tables.
        known: our migrations.

    Raises:
        UnusableDatabase: a table of another program has the name of one of ours, or it is a later version's.
    """
    tables = set(inspect(connection).get_table_names())
    revisions = set(connection.exec_driver_sql(_REVISIONS).scalars()) if _REVISION in tables else set()
    place = connection.engine.url.render_as_string(hide_password=True)
    check_tables(place, tables & {*ours, _REVISION}, revisions, known)


def check_tables(
    place: str, tables: AbstractSet[str], revisions: AbstractSet[str], known: AbstractSet[str]
) -> None:
    """See that tables are none, or those of this version or an earlier one.

    Args:
        place: where they are, without a password.
        tables: their names.
        revisions: the migration that they say they are at.
        known: our migrations.

    Raises:
        UnusableDatabase: they are another program's, or a later version's.
    """
    others = tables - {_REVISION}
    if revisions <= known and (revisions or not others):
        return
    if revisions and tables >= _TELLING:
        raise UnusableDatabase(
            f"Expected a database of this version of Dahlia or an earlier one, received {place}, which a "
            f"later version wrote (schema {', '.join(sorted(revisions))}; this one knows up to {max(known)}"
            "). Start that version again, or restore a backup that this version made.",
            lost=False,
        )
    raise UnusableDatabase(
        f"Expected Dahlia's database, received {place}, which is another program's: it has tables such as "
        f"{', '.join(sorted(others or tables)[:3])}. Name the right one with DAHLIA_DATABASE_URL."
    )


def damaged(path: Path, fault: str) -> UnusableDatabase:
    """The error for a file that SQLite cannot read.

    Args:
        path: of the file.
        fault: what SQLite says.
    """
    return UnusableDatabase(f"Dahlia's database {path} is damaged: {_cut(path) or fault}.")


@cache
def _revisions() -> tuple[frozenset[str], str]:
    """All migrations, and the newest."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions()), scripts.get_current_head() or ""


def _apply(database: Database) -> None:
    from alembic import command

    config = _config()
    with translated_errors(), database.engine.connect().execution_options(writes=True) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _has_content(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        return False
    except IsADirectoryError:
        raise UnusableDatabase(
            f"Expected Dahlia's database at {path}, received a folder. Move it away, or name a file with "
            "DAHLIA_DATABASE_URL.",
            lost=False,
        ) from None
    except OSError as error:
        raise UnusableDatabase(
            f"Dahlia's database {path} cannot be opened: {error.strerror}. Let the server's user read and "
            "write it, or name another with DAHLIA_DATABASE_URL.",
            lost=False,
        ) from error
    if header and not header.startswith(_MAGIC):
        raise UnusableDatabase(
            f"Expected Dahlia's SQLite database at {path}, received a file of another kind."
        )
    return bool(header)


def _damaged_page(connection: sqlite3.Connection, path: Path) -> str | None:
    if path.stat().st_size > CHECKED_BYTES:
        return None
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if found == "ok" else str(found).splitlines()[-1]


def _cut(path: Path) -> str | None:
    """Whether the file ends before the pages that its header counts."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
    page, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
    expected, size = pages * (65536 if page == 1 else page), path.stat().st_size
    return f"it was cut off, {size} of {expected} bytes are there" if size < expected else None
