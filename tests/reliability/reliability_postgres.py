"""PostgreSQL that is stopped as a crash would, and started again."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from postgres_server import Postgres, running_postgres
from reliability_server import eventually


@dataclass
class Stoppable:
    """A PostgreSQL server.

    Args:
        server: runs.
    """

    server: Postgres
    _process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """End it at once; transactions under way are lost, and what was committed is not."""
        note = self.server.folder / "data" / "postmaster.pid"
        os.kill(int(note.read_text().split()[0]), signal.SIGQUIT)
        eventually(lambda: not note.exists(), 30)
        if self._process:
            self._process.wait()

    def start(self) -> None:
        """Start it again, as it was started."""
        data = self.server.folder / "data"
        self._process = subprocess.Popen(
            shlex.split((data / "postmaster.opts").read_text()),
            user=data.stat().st_uid if os.geteuid() == 0 else None,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._answers, 60)

    def end(self) -> None:
        """End what was started here; who started the first ends that."""
        if self._process and self._process.poll() is None:
            self.stop()

    @contextmanager
    def away(self, seconds: float) -> Iterator[None]:
        """Stopped while the block runs, and so many seconds longer."""
        self.stop()
        try:
            yield
            time.sleep(seconds)
        finally:
            self.start()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Takes no changes while the block runs."""
        self._set("ALTER SYSTEM SET default_transaction_read_only = on")
        try:
            yield
        finally:
            self._set("ALTER SYSTEM RESET default_transaction_read_only")

    def _set(self, statement: str) -> None:
        with self._connected() as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(statement.encode())
            connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)  # sessions hear of it with their next statement

    def _answers(self) -> bool:
        try:
            self._connected().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connected(self) -> psycopg.Connection:
        place = f"host={self.server.folder} user=postgres dbname=postgres"
        return psycopg.connect(place, autocommit=True)


@contextmanager
def stoppable_postgres() -> Iterator[Stoppable]:
    """One that ends with the block."""
    with running_postgres() as server:
        stoppable = Stoppable(server)
        try:
            yield stoppable
        finally:
            stoppable.end()
