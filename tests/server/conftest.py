from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_cases import Own, open_own
from postgres_server import Postgres, running_postgres
from prediction_cases import picture
from reusable_databases import ReusableDatabase
from starlette.testclient import TestClient

from dahlia.server.app import create_app
from dahlia.server.context import Server, open_server
from dahlia.server.database import schema
from dahlia.server.database.sessions import Database
from dahlia.server.keys.keys import Scope, create_key
from dahlia.settings.server import load_settings
from dahlia.warm.protocol import VARIABLE
from warm_commands import UNBUFFERED

BASE = "/customvision/v3.4-preview/training"


def opened(home: Path, database_url: str) -> Server:
    environment = {"DAHLIA_SERVER_HOME": str(home), "DAHLIA_DATABASE_URL": database_url}
    environment["DAHLIA_JOBS_POLL_SECONDS"] = "60"  # nobody else changes what is published
    environment["DAHLIA_SERVER_ALLOWED_HOSTS"] = "testserver"  # as the test client calls it
    return open_server(load_settings(None, environment))


def new_key(server: Server, scope: Scope = Scope.TRAINING) -> str:
    with server.database.write() as session:
        return create_key(session, "tests", scope, None, server.now())[1]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of the tests' own."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the schema and nothing else."""
    file = tmp_path_factory.mktemp("prepared") / "dahlia.db"
    database = Database(f"sqlite:///{file}")
    schema.upgrade(database)
    database.close()
    return file


@pytest.fixture(scope="session")
def reusable_postgres(postgres: Postgres) -> Iterator[ReusableDatabase]:
    """A database that one test after the other gets."""
    database = ReusableDatabase(postgres)
    yield database
    database.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests with the marker `both_databases` on each, unless they name theirs."""
    named = any(mark.args[0] == "database_url" for mark in metafunc.definition.iter_markers("parametrize"))
    both = metafunc.definition.get_closest_marker("both_databases")
    if both and not named and "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: SQLite, unless the test runs on both."""
    if getattr(request, "param", "sqlite") == "sqlite":
        file = tmp_path / "home" / "dahlia.db"
        file.parent.mkdir()
        shutil.copy(request.getfixturevalue("prepared_sqlite"), file)
        yield f"sqlite:///{file}"
        return
    with request.getfixturevalue("reusable_postgres").lent() as url:
        yield url


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server with an empty database, without workers."""
    server = opened(tmp_path / "home", database_url)
    yield server
    server.database.close()


@pytest.fixture
def forked_stages(warm: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What jobs of this process start is forked from the tests' warm process, and imports nothing."""
    if warm:
        for name, value in (UNBUFFERED | {VARIABLE: str(warm)}).items():
            monkeypatch.setenv(name, value)


@pytest.fixture
def key(server: Server) -> str:
    """A key that may do everything with projects."""
    return new_key(server)


@pytest.fixture
def client(server: Server, key: str) -> Iterator[TestClient]:
    """Talks to the training API: `client.get("/projects")`."""
    with TestClient(create_app(server), base_url=f"http://testserver{BASE}") as client:
        client.headers["Training-Key"] = key
        yield client


@pytest.fixture(scope="module")
def shared_client(prepared_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Talks to a server of a whole module, with a key that may do everything; paths begin at its root."""
    home = tmp_path_factory.mktemp("shared")
    shutil.copy(prepared_sqlite, home / "dahlia.db")
    server = opened(home, f"sqlite:///{home / 'dahlia.db'}")
    with TestClient(create_app(server)) as client:
        client.headers["Training-Key"] = new_key(server, Scope.ADMIN)
        yield client
    server.database.close()


@pytest.fixture(scope="session")
def own(prepared_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """A server with a project whose iteration has all that a training leaves; tests only add to it."""
    with open_own(tmp_path_factory.mktemp("own"), prepared_sqlite, picture()) as own:
        yield own
