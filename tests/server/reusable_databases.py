"""One PostgreSQL database for many tests: making one takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from postgres_server import Postgres

from dahlia.server.database.schema import METADATA

_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE = """
    SELECT string_agg(concat_ws('.', c.relname, a.attname, a.atttypid), ',' ORDER BY c.relname, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
"""
_SEQUENCES = "SELECT format('ALTER SEQUENCE %I RESTART', sequencename) FROM pg_sequences"
_TABLES = [table.name for table in reversed(METADATA.sorted_tables)]


class ReusableDatabase:
    """Lends a database without rows to one test after the other; replaces one whose tables were changed."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self._stack = ExitStack()
        self._url = ""
        self._shape = ""

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The address of a database with the schema and nothing else."""
        if not self._url:
            self._url = self._stack.enter_context(self.postgres.database())
            self._shape = _emptied(self._url)
        yield self._url
        try:
            same = _emptied(self._url) == self._shape
        except psycopg.Error:  # the test may have deleted it, or a table
            same = False
        if not same:
            self.close()

    def close(self) -> None:
        """Delete it."""
        self._stack.close()
        self._url = ""


def _emptied(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_OTHERS)
        restarts = [statement for (statement,) in connection.execute(_SEQUENCES)]
        connection.execute(";".join([*(f"DELETE FROM {table}" for table in _TABLES), *restarts]).encode())
        row = connection.execute(_SHAPE).fetchone()
        assert row is not None
        return str(row[0])
