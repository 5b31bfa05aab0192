"""The schema, brought up to date by its migrations."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia.server.database import server_tables, work_tables
from dahlia.server.database.errors import DamageError, translated_errors
from dahlia.server.database.inspection import check_database, check_file, damaged, file_of
from dahlia.server.database.tables import Table

if TYPE_CHECKING:
    from alembic.config import Config

    from dahlia.server.database.sessions import Database

METADATA = Table.metadata
_MODULES = (server_tables, work_tables)  # their tables are known once they are imported


def upgrade(database: Database) -> None:
    """Bring the schema to what this version of Dahlia expects; does nothing where it is.

    Raises:
        StoreError: the database cannot be used.
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


def revision_of(database: Database) -> str:
    """The migration that the schema is at.

    Raises:
        StoreError: the database cannot be used.
    """
    from alembic.migration import MigrationContext

    with translated_errors(), database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""
