"""PostgreSQL for the tests: a server of its own in a temporary folder, and a database for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from dahlia.server.store import schema
from dahlia.server.store.database import Database

_PLACES = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin")
_FAST = (
    *("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"),
    *("-c", "max_connections=200", "-c", "listen_addresses="),
)


@dataclass(frozen=True)
class Postgres:
    """A server that listens on a socket in a folder."""

    folder: Path

    def url(self, name: str) -> str:
        return f"postgresql:///{name}?host={self.folder}&user=postgres"

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of a database with the schema and nothing else."""
        name = f"test_{uuid.uuid4().hex}"
        self._run(f"CREATE DATABASE {name} TEMPLATE prepared")
        try:
            yield self.url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def prepare(self) -> None:
        self._run("CREATE DATABASE prepared")
        database = Database(self.url("prepared"))
        schema.upgrade(database)
        database.close()

    def _run(self, statement: str) -> None:
        with psycopg.connect(
            f"host={self.folder} user=postgres dbname=postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server that ends with the block."""
    user = _user()
    folder = Path(
        tempfile.mkdtemp(prefix="dahlia-postgres-", dir="/tmp")
    )  # a socket's path may have 107 bytes
    if user:
        shutil.chown(folder, user)
    try:
        data = folder / "data"
        _call(
            "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", user=user
        )
        process = subprocess.Popen(
            [_program("postgres"), "-D", str(data), "-k", str(folder), *_FAST],
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _call("pg_isready", "-h", str(folder), "-t", "30", "-U", "postgres", tries=100)
            server = Postgres(folder)
            server.prepare()
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # clients are cut off
            process.wait(timeout=20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name  # it refuses to run as root
    except KeyError:
        return "nobody"


def _program(name: str) -> str:
    for pattern in _PLACES:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            if (folder / name).exists():
                return str(folder / name)
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name}: install PostgreSQL (Debian: apt-get install postgresql)")
    return found


def _call(name: str, *arguments: str, user: str | None = None, tries: int = 1) -> None:
    for remaining in range(tries - 1, -1, -1):
        done = subprocess.run(
            [_program(name), *arguments], user=user, cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
        if remaining:
            time.sleep(0.1)
    raise RuntimeError(f"{name}: {done.stderr or done.stdout}")
