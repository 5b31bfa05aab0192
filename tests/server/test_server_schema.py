"""A database's file that is none of ours, or is damaged: what the commands say of it, and how they end."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from postgres_server import Postgres
from server_rows import add_image, add_project

from dahlia.cli import main
from dahlia.errors import ConfigError
from dahlia.server.context import open_server
from dahlia.settings.server import load_settings

pytestmark = pytest.mark.both_databases

COMMANDS = (("serve",), ("keys", "list"), ("backup", "monday.zip"))
BACKUP = "dahlia-20260102T030405Z.zip"
PAGE = 4096


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _text(file: Path) -> None:
    file.write_text("Not a database, but a page of notes.\n" * 300)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: 3 * PAGE + 100])


def _damaged(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:PAGE] + os.urandom(2 * PAGE) + data[3 * PAGE :])


def _damaged_schema(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:100] + os.urandom(PAGE - 100) + data[PAGE:])


def _of_another_program(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)")


def _of_another_with_migrations(file: Path) -> None:
    _of_another_program(file)
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('76601a5f987d')")
        database.commit()


def _newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a folder": (_folder, "received a folder"),
    "an empty file": (_empty, "received an empty file"),
    "text": (_text, "received a file of another kind"),
    "a file that was cut": (_cut, f"is damaged: it was cut off, {3 * PAGE + 100} of"),
    "damaged pages": (_damaged, "is damaged: "),
    "a damaged schema": (_damaged_schema, "is damaged: "),
    "of another program": (_of_another_program, "another program's: it has tables such as moz_places"),
    "of another program, with migrations": (_of_another_with_migrations, "such as moz_places"),
    "of a later version": (_newer, "which a later version wrote (schema 9999;"),
}
WITHOUT_A_WAY_BACK = {"a folder", "of a later version"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a server that has held a photo, and a backup."""
    home = tmp_path_factory.mktemp("filled") / "home"
    server = open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(home)}))
    add_image(server, add_project(server), b"photo")
    server.database.close()
    (home / "backups").mkdir()
    (home / "backups" / BACKUP).touch()
    return home


@pytest.fixture
def home(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another such home, which the commands use."""
    shutil.copytree(filled, tmp_path / "home")
    monkeypatch.setenv("DAHLIA_SERVER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAHLIA_SERVER_PORT", "0")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("kind", CASES)
def test_what_is_no_database_of_ours_is_named(
    kind: str,
    command: tuple[str, ...],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil, message = CASES[kind]
    spoil(home / "dahlia.db")
    before = (home / "dahlia.db").read_bytes() if kind != "a folder" else b""
    monkeypatch.setattr(sys, "argv", ["dahlia", *command])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert end.value.code == 2
    assert message in said.err
    assert str(home / "dahlia.db") in said.err
    assert "Traceback" not in said.err + said.out
    way_back = f"dahlia restore {home / 'backups' / BACKUP}` brings back the state of 2026-01-02 03:04 UTC"
    assert (way_back in said.err) == (kind not in WITHOUT_A_WAY_BACK)
    assert kind == "a folder" or (home / "dahlia.db").read_bytes() == before
    assert not Path("monday.zip").exists()


def test_without_a_backup_the_message_says_so(home: Path) -> None:
    (home / "backups" / BACKUP).unlink()
    _cut(home / "dahlia.db")
    with pytest.raises(ConfigError, match=f"there is none in {home / 'backups'}.*dahlia rescue"):
        open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(home)}))


def test_an_empty_file_without_stored_files_is_a_first_start(tmp_path: Path) -> None:
    (tmp_path / "dahlia.db").touch()
    server = open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(tmp_path)}))
    assert add_project(server).name == "garden"
    server.database.close()


def test_a_file_that_may_not_be_read_is_named(home: Path) -> None:
    (home / "dahlia.db").chmod(0)
    command = [sys.executable, "-m", "dahlia", "keys", "list"]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{home / 'dahlia.db'} cannot be opened: Permission denied" in done.stderr
    assert "Traceback" not in done.stderr


def replace_tables(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *statements):
            connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["CREATE TABLE projects (id int)"], "another program's: it has tables such as projects"),
        (["CREATE TABLE alembic_version (version_num text)", "INSERT INTO alembic_version VALUES ('ab12')"],
         "another program's"),
    ],
)  # fmt: skip
def test_tables_of_others_in_postgresql_are_left_alone(
    postgres: Postgres, tmp_path: Path, statements: list[str], message: str
) -> None:
    with postgres.database() as url:
        replace_tables(url, *statements)
        environment = {"DAHLIA_SERVER_HOME": str(tmp_path / "home"), "DAHLIA_DATABASE_URL": url}
        with pytest.raises(ConfigError, match=message):
            open_server(load_settings(None, environment))


def test_tables_of_others_beside_ours_are_no_hindrance_in_postgresql(
    postgres: Postgres, tmp_path: Path
) -> None:
    with postgres.database() as url:
        replace_tables(url, "CREATE TABLE invoices (id int)")
        environment = {"DAHLIA_SERVER_HOME": str(tmp_path / "home"), "DAHLIA_DATABASE_URL": url}
        server = open_server(load_settings(None, environment))
        assert add_project(server).name == "garden"
        server.database.close()
