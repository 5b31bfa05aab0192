"""Damage that is met while the server runs: writes end, reads go on, and it is said once."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from server_rows import add_image, add_project
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from dahlia.server.app import create_app
from dahlia.server.context import Server, open_server
from dahlia.server.database.errors import DamageError, DatabaseError, damage_of, translated_errors
from dahlia.server.database.tables import ProjectRow
from dahlia.server.keys.keys import Scope, create_key
from dahlia.settings.server import load_settings

BASE = "/customvision/v3.4-preview/training"


def roots(file: Path, table: str) -> list[int]:
    """The numbers of the first pages of a table and its indexes."""
    database = sqlite3.connect(file)
    try:
        found = database.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = ?", (table,))
        return [page for (page,) in found]
    finally:
        database.close()


def spoil(server: Server, table: str) -> None:
    """Put noise in the place of a table, of which this process then remembers nothing."""
    file = Path(str(server.database.url.database))
    server.database.close()
    with file.open("r+b") as written:
        for page in roots(file, table):
            written.seek((page - 1) * 4096)
            written.write(os.urandom(4096))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """On SQLite, with a project and a photo."""
    environment = {"DAHLIA_SERVER_HOME": str(tmp_path / "home"), "DAHLIA_JOBS_POLL_SECONDS": "60"}
    server = open_server(load_settings(None, environment))
    add_image(server, add_project(server), b"photo")
    yield server
    server.database.close()


@pytest.fixture
def client(server: Server) -> Iterator[TestClient]:
    with server.database.write() as session:
        key = create_key(session, "tests", Scope.TRAINING, None, server.now())[1]
    with TestClient(create_app(server), base_url=f"http://127.0.0.1{BASE}") as client:
        client.headers["Training-Key"] = key
        yield client


def test_damage_ends_writes_and_leaves_reads(
    server: Server, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    (project,) = client.get("/projects").json()
    spoil(server, "tags")
    refused = client.get(f"/projects/{project['id']}/tags")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 60
    assert "is damaged: database disk image is malformed" in refused.json()["message"]
    for _ in range(3):
        assert client.post("/projects", params={"name": "another"}).status_code == 503
        assert [one["id"] for one in client.get("/projects").json()] == [project["id"]]
    ready = client.get("http://testserver/readyz")
    assert ready.status_code == 503
    assert "is damaged" in ready.json()["message"]
    (said,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "Nothing more is written to it" in said.message
    assert "dahlia restore" in said.message
    assert not [record for record in caplog.records if record.exc_info]
    assert "Traceback" not in caplog.text


def test_damage_that_a_write_meets_ends_writes_too(server: Server) -> None:
    spoil(server, "projects")
    with pytest.raises(DamageError):
        add_project(server, "another")
    assert server.database.damage == "database disk image is malformed"
    with pytest.raises(DatabaseError, match="is damaged"), server.database.write():
        pass


def test_a_process_does_not_forget_damage(server: Server) -> None:
    spoil(server, "tags")
    with pytest.raises(DamageError), server.database.read() as session:
        session.connection().exec_driver_sql("SELECT count(*) FROM tags").all()
    server.database.refused = None
    with pytest.raises(DamageError), server.database.write():
        pass
    with server.database.read() as session:
        assert session.scalar(select(ProjectRow.name)) == "garden"


def fault(kind: type[sqlite3.Error], text: str, name: str) -> sqlite3.Error:
    error = kind(text)
    error.sqlite_errorname = name  # type: ignore[misc]
    return error


@pytest.mark.parametrize(
    ("error", "is_damage"),
    [
        (fault(sqlite3.DatabaseError, "database disk image is malformed", "SQLITE_CORRUPT"), True),
        (fault(sqlite3.DatabaseError, "database disk image is malformed", "SQLITE_CORRUPT_INDEX"), True),
        (fault(sqlite3.DatabaseError, "file is not a database", "SQLITE_NOTADB"), True),
        (fault(sqlite3.OperationalError, "disk I/O error", "SQLITE_IOERR_READ"), True),
        (sqlite3.OperationalError("Could not decode to UTF-8 column 'name' with text 'secret\\xff'"), True),
        (fault(sqlite3.OperationalError, "disk I/O error", "SQLITE_IOERR_WRITE"), False),
        (fault(sqlite3.OperationalError, "disk I/O error", "SQLITE_IOERR_FSYNC"), False),
        (fault(sqlite3.OperationalError, "database or disk is full", "SQLITE_FULL"), False),
        (fault(sqlite3.OperationalError, "database is locked", "SQLITE_BUSY"), False),
        (psycopg.errors.DataCorrupted("invalid page in block 3 of relation base/5/16389"), True),
        (psycopg.errors.IndexCorrupted('index "tags_pkey" contains unexpected zero page'), True),
        (psycopg.errors.IoError("could not read block 3"), True),
        (psycopg.errors.DiskFull("could not extend file"), False),
        (psycopg.OperationalError("the connection is closed"), False),
    ],
    ids=lambda value: getattr(value, "sqlite_errorname", str(value)),
)
def test_what_counts_as_damage(error: Exception, is_damage: bool) -> None:
    assert bool(damage_of(error)) == is_damage
    assert "secret" not in str(damage_of(error))
    with pytest.raises(DatabaseError) as refusal, translated_errors():
        raise OperationalError("SELECT 1", {}, error)
    assert isinstance(refusal.value, DamageError) == is_damage
