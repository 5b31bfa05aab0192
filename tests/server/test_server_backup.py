from __future__ import annotations

import hashlib
import itertools
import json
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from project_cases import train
from server_rows import add_image, add_project
from sqlalchemy import select

from dahlia.errors import DahliaError
from dahlia.server.backup import stored_files, writing
from dahlia.server.backup.archive import TABLES
from dahlia.server.backup.reading import restore_backup, verify_backup
from dahlia.server.backup.writing import held, write_backup
from dahlia.server.cleaning.orphans import find_orphans
from dahlia.server.context import Server, open_server
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.keys.keys import Scope, create_key, find_access
from dahlia.server.ownership import read_identity
from dahlia.server.pairing import PairingError, check
from dahlia.server.storage.names import image_key
from dahlia.server.storage.storage import Entry, StorageError
from dahlia.settings.server import load_settings

pytestmark = pytest.mark.both_databases

_NEW = ("identity", "orphans", "discarded")  # tables of the schema after


@pytest.fixture
def empty(tmp_path: Path) -> Server:
    """Another server, on SQLite, which holds nothing."""
    return open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(tmp_path / "other")}))


@pytest.fixture
def lite(tmp_path: Path) -> Server:
    """A server on SQLite, for what has nothing to do with the kind of database."""
    return open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(tmp_path / "home")}))


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
        assert find_access(after, key, server.now()) is not None
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


def _deleted(path: Path) -> None:
    path.unlink()


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _rotten(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def _not_readable(path: Path) -> None:
    path.unlink()
    path.symlink_to("/proc/self/mem")  # opens, and its first byte is an I/O error for everybody


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_deleted, "there is no such file"),
        (_a_folder, "there is no such file"),
        (_rotten, "its bytes are not those that were stored"),
        (_not_readable, "Input/output error"),
    ],
)
def test_a_file_that_is_missing_is_named_and_the_rest_is_saved(
    lite: Server, empty: Server, tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    fill(lite)
    bad, *good = [image_key(hashlib.sha256(f"photo {n}".encode()).hexdigest(), ".jpg") for n in range(3)]
    spoil(Path(lite.storage.place) / bad)
    about = write_backup(lite, tmp_path / "backup.zip")
    assert about.missing == {bad: reason}
    assert about.files == 2
    assert verify_backup(tmp_path / "backup.zip") == about
    assert restore_backup(empty, tmp_path / "backup.zip").missing == about.missing
    with empty.database.read() as session:
        assert len(session.scalars(select(ImageRow)).all()) == 3
    assert [empty.storage.exists(key) for key in (bad, *good)] == [False, True, True]


def test_the_files_of_an_iteration_are_named_where_they_are_missing(lite: Server, tmp_path: Path) -> None:
    project = add_project(lite, "garden").id
    here, gone = train(lite, project, files=True), train(lite, project, files=True)
    lite.storage.put(f"iterations/{here}/servable/model.onnx", b"model")
    about = write_backup(lite, tmp_path / "backup.zip")
    assert about.missing == {f"iterations/{gone}": "there is no file in it"}


def test_a_storage_that_cannot_be_listed_is_read_file_by_file(lite: Server, tmp_path: Path) -> None:
    fill(lite)
    (Path(lite.storage.place) / "exports").symlink_to("exports")  # a loop, which no file of ours is in
    train(lite, add_project(lite, "other").id, files=True)
    listed = lite.storage.keys

    def keys(prefix: str) -> Iterator[Entry]:
        if not prefix:
            raise StorageError("The list cannot be read.")
        return listed(prefix)

    lite.storage.keys = keys  # type: ignore[method-assign]
    about = write_backup(lite, tmp_path / "backup.zip")
    assert about.files == 3
    assert about.missing.pop("(the list of files)") == "The list cannot be read."
    assert list(about.missing.values()) == ["there is no file in it"]


def test_a_storage_out_of_reach_ends_the_backup(
    lite: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lite)

    def fail(*_: object) -> Iterator[bytes]:
        raise StorageError("The bucket does not answer.")

    moments = itertools.count(0, 25)
    monkeypatch.setattr(stored_files.time, "monotonic", lambda: float(next(moments)))
    lite.storage.stream = fail  # type: ignore[method-assign]
    lite.storage.keys = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(StorageError, match="does not answer"):
        write_backup(lite, tmp_path / "backup.zip")
    assert list(tmp_path.glob("*.zip")) + list(tmp_path.glob(".*.zip")) == []


def test_what_is_written_wrongly_is_no_backup(
    lite: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lite)
    written = writing._write

    def wrongly(of: Server, staged: Path) -> None:
        written(of, staged)
        data = staged.read_bytes()
        middle = data.index(b"photo 1")
        staged.write_bytes(data[:middle] + b"PHOTO" + data[middle + 5 :])

    monkeypatch.setattr(writing, "_write", wrongly)
    with pytest.raises(DahliaError, match=f"received {tmp_path / 'backup.zip'}, which is none .*CRC"):
        write_backup(lite, tmp_path / "backup.zip")
    assert list(tmp_path.glob("*.zip")) + list(tmp_path.glob(".*.zip")) == []


def test_a_backup_does_not_lie_in_the_storage_that_it_saves(lite: Server) -> None:
    with pytest.raises(DahliaError, match="outside of the storage"):
        write_backup(lite, Path(lite.storage.place) / "backups" / "backup.zip")


def test_a_backup_that_cannot_fit_is_not_begun(
    lite: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite.storage.put("exports/large.zip", bytes(3_000_000))
    monkeypatch.setattr(writing, "free_bytes", lambda _: 2_000_000)
    with pytest.raises(DahliaError, match=r"Expected \d+\.\d MB of free space in .*, found 2\.0 MB"):
        write_backup(lite, tmp_path / "new" / "backup.zip")
    assert not (tmp_path / "new").exists()


def test_what_a_killed_backup_left_goes_with_the_next(lite: Server, tmp_path: Path) -> None:
    killed, scratch, at_work, other = (
        tmp_path / name
        for name in (
            ".backup.zip.abcd1234.zip",
            ".backup.zip.abcd1234.zip.scratch",
            ".backup.zip.efgh5678.zip",
            ".mine.zip.abcd1234.zip",
        )
    )
    for path in (killed, scratch, at_work, other):
        path.write_bytes(b"half")
        os.utime(path, (1e9, 1e9))
    with held(at_work):
        write_backup(lite, tmp_path / "backup.zip")
    assert [path.exists() for path in (killed, scratch, at_work, other)] == [False, False, True, True]


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
    if damage is not _later:
        with pytest.raises(DahliaError, match=message):
            verify_backup(backup)
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


def test_a_backup_of_before_there_was_a_negative_set(server: Server, empty: Server, tmp_path: Path) -> None:
    project = add_project(server, "garden")
    train(server, project.id, use_negative_set=True)
    write_backup(server, tmp_path / "backup.zip")
    with zipfile.ZipFile(tmp_path / "backup.zip") as new, zipfile.ZipFile(tmp_path / "old.zip", "w") as old:
        for info in new.infolist():
            data = new.read(info)
            if info.filename == "about.json":
                data = json.dumps(json.loads(data) | {"schema_revision": "0005"}).encode()
            elif Path(info.filename).stem in ("projects", "iterations"):
                rows = [json.loads(line) for line in data.splitlines()]
                kept = [{k: row[k] for k in row if k != "use_negative_set"} for row in rows]
                assert all(len(row) < len(whole) for row, whole in zip(kept, rows, strict=True))
                data = "".join(json.dumps(row) + "\n" for row in kept).encode()
            old.writestr(info, data)
    restore_backup(empty, tmp_path / "old.zip")
    with empty.database.read() as session:
        assert session.scalars(select(ProjectRow.use_negative_set)).all() == [True]
        assert session.scalars(select(IterationRow.use_negative_set)).all() == [False]


def test_what_mlflow_left_damaged_is_named_and_the_rest_is_saved(lite: Server, tmp_path: Path) -> None:
    fill(lite)
    home = lite.settings.server.home
    (home / "mlflow.db").write_bytes(b"no database" * 1000)
    (home / "mlartifacts").mkdir()
    (home / "mlartifacts" / "stuck.txt").symlink_to("/proc/self/mem")
    (home / "mlartifacts" / "note.txt").write_text("kept")
    about = write_backup(lite, tmp_path / "backup.zip")
    assert about.missing == {
        "tracking/mlflow.db": "file is not a database",
        "tracking/mlartifacts/stuck.txt": "Input/output error",
    }
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        assert archive.read("tracking/mlartifacts/note.txt") == b"kept"
    assert list(tmp_path.glob(".backup*")) == []
