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

from dahlia.server.database import schema
from dahlia.server.database.sessions import Database
from programs import find_program
from temporary_files import temporary_root

_FAST = (
    *("-c", "fsync=off"),  # but commits are written: tests kill the server
    *("-c", "max_connections=200", "-c", "listen_addresses="),
)
_LONGEST_ROOT = 40  # bytes; a socket's path may have 107


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
    root = temporary_root()
    short = root if len(os.fspath(root)) < _LONGEST_ROOT else Path("/tmp")
    folder = Path(tempfile.mkdtemp(prefix="dahlia-postgres-", dir=short))
    if user:
        shutil.chown(folder, user)
    try:
        data = folder / "data"
        programs = _programs(folder, user)
        initdb = [str(programs / "initdb"), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"]
        _call([*initdb, "--locale=C", "-D", str(data)], user)  # LANG may name one that is not installed
        process = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-k", str(folder), *_FAST],
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            ready = [str(programs / "pg_isready"), "-h", str(folder), "-t", "30", "-U", "postgres"]
            _call(ready, tries=100)
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


def _programs(folder: Path, user: str | None) -> Path:
    """The folder of PostgreSQL's programs; of a copy where the user may not read the environment of root."""
    found = Path(find_program("initdb")).resolve().parent
    try:
        subprocess.run([found / "initdb", "--version"], user=user, cwd="/", capture_output=True, check=True)
    except PermissionError:
        return _copied(found.parent, folder / "programs", str(user)) / "bin"
    return found


def _copied(installation: Path, folder: Path, user: str) -> Path:
    """Copy an installation and, as it looks for them beside its package, the libraries of its wheel."""
    package = installation.parent
    copy = folder / package.name / installation.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(installation / part, copy / part)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, user)
    return copy


def _call(command: list[str], user: str | None = None, tries: int = 1) -> None:
    for remaining in range(tries - 1, -1, -1):
        done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        if remaining:
            time.sleep(0.1)
    raise RuntimeError(f"{command[0]}: {done.stderr or done.stdout}")
