from __future__ import annotations

import hashlib
import itertools
import json
import threading
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from server_rows import add_image, add_project
from sqlalchemy import select

from dahlia.errors import DahliaError
from dahlia.server.backup.restoring import restore_backup
from dahlia.server.backup.rows import TABLES
from dahlia.server.backup.writing import write_backup
from dahlia.server.cleaning.orphans import find_orphans
from dahlia.server.context import Server
from dahlia.server.keys.keys import create_key, find_access
from dahlia.server.keys.scopes import Scope
from dahlia.server.opening import open_server
from dahlia.server.pairing.errors import PairingError
from dahlia.server.pairing.identity import read_identity
from dahlia.server.pairing.pairing import check
from dahlia.server.settings import load_settings
from dahlia.server.storage.names import image_key
from dahlia.server.store.tables import ImageRow, ProjectRow

_NEW = ("identity", "orphans", "discarded")  # tables of the schema after


@pytest.fixture
def empty(tmp_path: Path) -> Server:
    """Another server, on SQLite, which holds nothing."""
    return open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(tmp_path / "other")}))


def fill(server: Server) -> str:
    project = add_project(server, "garden")
    for number in range(3):
        add_image(server, project, f"photo {number}".encode())
    with server.database.write() as session:
        _, key = create_key(session, "app", Scope.TRAINING, None, server.now())
    return key


def test_what_is_restored_is_what_was_there(server: Server, empty: Server, tmp_path: Path) -> None:
    key = fill(server)
    backup = tmp_path / "backup.zip"
    about = write_backup(server, backup)
    assert (about.rows["projects"], about.rows["images"], about.files) == (1, 3, 3)
    restore_backup(empty, backup)
    with server.database.read() as before, empty.database.read() as after:
        for table in (one for one in TABLES if one.name not in ("identity", "secrets")):
            assert after.execute(select(table)).all() == before.execute(select(table)).all()
        assert find_access(after, key) is not None
        for image in after.scalars(select(ImageRow)):
            data = empty.storage.get(image_key(image.sha256, image.suffix))
            assert hashlib.sha256(data).hexdigest() == image.sha256


def test_a_backup_is_taken_while_others_write(server: Server, empty: Server, tmp_path: Path) -> None:
    project, stop = add_project(server, "garden"), threading.Event()
    add_image(server, project, b"the first")

    def write() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            add_image(server, project, f"photo {number}".encode())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        about = write_backup(server, tmp_path / "backup.zip")
    finally:
        stop.set()
        writer.join()
    restore_backup(empty, tmp_path / "backup.zip")
    with empty.database.read() as session:
        rows = session.scalars(select(ImageRow)).all()
    assert 1 <= len(rows) == about.rows["images"]
    assert all(empty.storage.exists(image_key(row.sha256, row.suffix)) for row in rows)


def test_a_restored_server_goes_on_counting(server: Server, empty: Server, tmp_path: Path) -> None:
    # From SQLite into whatever this test's database is: keys that came with their rows are not given again.
    add_project(empty, "first")
    write_backup(empty, tmp_path / "backup.zip")
    restore_backup(server, tmp_path / "backup.zip")
    add_project(server, "second")
    with server.database.read() as session:
        assert set(session.scalars(select(ProjectRow.name))) == {"first", "second"}


def test_a_server_that_holds_something_is_left_alone(server: Server, empty: Server, tmp_path: Path) -> None:
    write_backup(server, tmp_path / "backup.zip")
    add_project(empty, "mine")
    with pytest.raises(DahliaError, match="empty server"):
        restore_backup(empty, tmp_path / "backup.zip")


def test_a_file_that_exists_is_not_overwritten(server: Server, tmp_path: Path) -> None:
    (tmp_path / "notes.zip").write_text("mine")
    with pytest.raises(DahliaError, match="exists"):
        write_backup(server, tmp_path / "notes.zip")
    assert (tmp_path / "notes.zip").read_text() == "mine"


def test_an_image_without_its_file_is_found_out(server: Server, tmp_path: Path) -> None:
    project = add_project(server, "garden")
    row = add_image(server, project, b"photo")
    server.storage.delete(image_key(row.sha256, row.suffix))
    with pytest.raises(DahliaError, match="no file"):
        write_backup(server, tmp_path / "backup.zip")
    assert not (tmp_path / "backup.zip").exists()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _no_zip(path: Path) -> None:
    path.write_text("not a zip")


def _rewrite(path: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            changed = change(name, data)
            if changed is not None:
                archive.writestr(name, changed)


def _other_photo(path: Path) -> None:
    _rewrite(path, lambda name, data: b"other" if name.startswith("files/images") else data)


def _no_tags(path: Path) -> None:
    _rewrite(path, lambda name, data: None if name == "tables/tags.jsonl" else data)


def _fewer_rows(path: Path) -> None:
    _rewrite(path, lambda name, data: b"" if name == "tables/images.jsonl" else data)


def _later(path: Path) -> None:
    def change(name: str, data: bytes) -> bytes:
        return (
            json.dumps(json.loads(data) | {"schema_revision": "9999"}).encode()
            if name == "about.json"
            else data
        )

    _rewrite(path, change)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "none"),
        (_no_zip, "none"),
        (_other_photo, "not what was stored"),
        (_no_tags, "none"),
        (_fewer_rows, "0 of 3 rows of images"),
        (_later, "schema 9999"),
    ],
)
def test_a_damaged_backup_restores_no_row(
    server: Server, empty: Server, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    fill(server)
    backup = tmp_path / "backup.zip"
    write_backup(server, backup)
    damage(backup)
    with pytest.raises(DahliaError, match=message):
        restore_backup(empty, backup)
    with empty.database.read() as session:
        assert session.scalars(select(ProjectRow)).all() == []


def test_mlflows_database_comes_along(server: Server, empty: Server, tmp_path: Path) -> None:
    import sqlite3

    home = server.settings.server.home
    with sqlite3.connect(home / "mlflow.db") as database:
        database.execute("CREATE TABLE runs (id)")
        database.execute("INSERT INTO runs VALUES ('r1')")
    database.close()
    (home / "mlartifacts" / "r1").mkdir(parents=True)
    (home / "mlartifacts" / "r1" / "note.txt").write_text("kept")
    write_backup(server, tmp_path / "backup.zip")
    restore_backup(empty, tmp_path / "backup.zip")
    other = empty.settings.server.home
    with sqlite3.connect(other / "mlflow.db") as database:
        assert database.execute("SELECT id FROM runs").fetchall() == [("r1",)]
    database.close()
    assert (other / "mlartifacts" / "r1" / "note.txt").read_text() == "kept"


def test_a_restored_server_is_another_one_than_that_of_the_backup(
    server: Server, empty: Server, tmp_path: Path
) -> None:
    fill(server)
    write_backup(server, tmp_path / "backup.zip")
    restore_backup(empty, tmp_path / "backup.zip")
    check(empty.database, empty.storage)
    ours, theirs = read_identity(server.storage), read_identity(empty.storage)
    assert ours is not None
    assert theirs is not None
    assert theirs.server != ours.server
    assert ours.server in theirs.earlier
    assert theirs.made == ours.made
    with pytest.raises(PairingError, match="another server"):
        check(empty.database, server.storage)


def test_a_lost_database_is_restored_beside_its_files(tmp_path: Path) -> None:
    settings = load_settings(None, {"DAHLIA_SERVER_HOME": str(tmp_path / "home")})
    server = open_server(settings)
    fill(server)
    write_backup(server, tmp_path / "backup.zip")
    later = add_image(server, add_project(server, "later"), b"after the backup")
    server.database.close()
    for file in (tmp_path / "home").glob("dahlia.db*"):
        file.unlink()
    again = open_server(settings, paired=False)
    restore_backup(again, tmp_path / "backup.zip")
    again.database.close()
    again = open_server(settings)
    assert find_orphans(again, timedelta(days=-1)).orphans == 1
    assert again.storage.exists(image_key(later.sha256, ".jpg"))
    again.database.close()


def test_nothing_is_restored_among_the_files_of_another(
    server: Server, empty: Server, tmp_path: Path
) -> None:
    fill(server)
    write_backup(server, tmp_path / "backup.zip")
    empty.storage.put(image_key("0" * 64, ".jpg"), b"another's")
    with pytest.raises(PairingError, match="received the files of another"):
        restore_backup(empty, tmp_path / "backup.zip")
    with empty.database.read() as session:
        assert session.scalars(select(ProjectRow)).all() == []


def test_a_backup_of_the_schema_before_is_restored(server: Server, empty: Server, tmp_path: Path) -> None:
    fill(server)
    write_backup(server, tmp_path / "backup.zip")
    with zipfile.ZipFile(tmp_path / "backup.zip") as new, zipfile.ZipFile(tmp_path / "old.zip", "w") as old:
        for info in new.infolist():
            if Path(info.filename).stem in _NEW:
                continue
            data = new.read(info)
            if info.filename == "about.json":
                about = json.loads(data)
                rows = {name: count for name, count in about["rows"].items() if name not in _NEW}
                data = json.dumps(about | {"schema_revision": "0001", "rows": rows}).encode()
            old.writestr(info, data)
    assert restore_backup(empty, tmp_path / "old.zip").rows["images"] == 3
    check(empty.database, empty.storage)
