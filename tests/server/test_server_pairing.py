"""Database and storage that belong together, and those that do not."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from s3_server import make_bucket, running_s3, s3_variables
from server_rows import add_image, add_project
from sqlalchemy import delete

from dahlia.server.context import Server, open_server
from dahlia.server.database.errors import DatabaseError
from dahlia.server.database.tables import IdentityRow
from dahlia.server.keys.audit import record
from dahlia.server.ownership import read_identity
from dahlia.server.pairing import PairingError, PairingWatch, adopt, check, pair
from dahlia.server.rescue.commands import describe
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.folder import Folder
from dahlia.server.storage.names import IDENTITY, STAGED, thumbnail_key
from dahlia.settings.server import load_settings


def opened(home: Path, **settings: str) -> Server:
    """A server of its own in a folder."""
    return open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(home)} | settings))


def change(server: Server, action: str = "create_tag") -> None:
    """Something that is in the audit log."""
    with server.database.write() as session:
        record(session, server, None, action, None)


def fill(server: Server, photos: int = 3) -> None:
    project = add_project(server)
    for number in range(photos):
        add_image(server, project, f"photo {number}".encode())
    change(server)


def files_of(server: Server) -> set[str]:
    return {entry.key for entry in server.storage.keys("")}


@pytest.fixture
def full(tmp_path: Path) -> Server:
    """A server with three photos, whose storage knows how far its database has come."""
    server = opened(tmp_path / "full")
    fill(server)
    PairingWatch(server).look()
    return server


def lose_rows(home: Path) -> None:
    for file in home.glob("dahlia.db*"):
        file.unlink()


def test_both_know_each_other_after_their_first_meeting(server: Server) -> None:
    stored = read_identity(server.storage)
    with server.database.read() as session:
        row = session.get_one(IdentityRow, 1)
        assert stored is not None
        assert (stored.server, stored.made) == (row.server, row.made)
    again = open_server(server.settings)
    assert read_identity(again.storage) == stored
    again.database.close()


def test_a_lost_database_is_not_begun_again(full: Server, tmp_path: Path) -> None:
    full.database.close()
    lose_rows(tmp_path / "full")
    before = files_of(full)
    with pytest.raises(PairingError, match="received a new, empty one") as refusal:
        opened(tmp_path / "full")
    for way in ("dahlia restore", "dahlia rescue", "dahlia adopt", "storage.url"):
        assert way in str(refusal.value)
    assert refusal.value.exit_code == 2
    assert files_of(full) == before


def test_the_newest_backup_is_named(full: Server, tmp_path: Path) -> None:
    full.database.close()
    lose_rows(tmp_path / "full")
    backup = full.settings.backup_folder / "dahlia-20261128T020000Z.zip"
    backup.parent.mkdir()
    backup.touch()
    with pytest.raises(PairingError, match=f"`dahlia restore {backup}` brings back the last backup"):
        opened(tmp_path / "full")


def test_a_lost_database_is_noticed_without_an_identity_too(full: Server, tmp_path: Path) -> None:
    full.database.close()
    lose_rows(tmp_path / "full")
    full.storage.delete(IDENTITY)
    with pytest.raises(PairingError, match="Expected the database of the files in"):
        opened(tmp_path / "full")


def test_another_servers_storage_is_refused(full: Server, tmp_path: Path) -> None:
    other = opened(tmp_path / "other")
    fill(other)
    other.database.close()
    with pytest.raises(PairingError, match="that of another server"):
        opened(tmp_path / "other", DAHLIA_STORAGE_URL=str(tmp_path / "full" / "files"))


def test_a_new_database_on_a_used_storage_is_refused(full: Server, tmp_path: Path) -> None:
    with pytest.raises(PairingError, match="received a new, empty one"):
        opened(tmp_path / "new", DAHLIA_STORAGE_URL=str(tmp_path / "full" / "files"))


def test_a_used_database_on_an_empty_storage_is_refused(full: Server, tmp_path: Path) -> None:
    full.database.close()
    with pytest.raises(PairingError, match=r"Expected the files of 3 images .* received none"):
        opened(tmp_path / "full", DAHLIA_STORAGE_URL=str(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()


def test_an_unused_pair_may_move(tmp_path: Path) -> None:
    opened(tmp_path / "home").database.close()
    server = opened(tmp_path / "home", DAHLIA_STORAGE_URL=str(tmp_path / "elsewhere"))
    assert read_identity(server.storage) is not None


def copy_of_the_file_alone(home: Path) -> bytes:
    return (home / "dahlia.db").read_bytes()


def consistent_copy(home: Path) -> bytes:
    target = home.parent / "copy.db"
    with closing(sqlite3.connect(home / "dahlia.db")) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    return target.read_bytes()


@pytest.mark.parametrize("copy", [copy_of_the_file_alone, consistent_copy])
def test_an_old_copy_of_the_database_is_recognised(
    full: Server, tmp_path: Path, copy: Callable[[Path], bytes]
) -> None:
    old = copy(tmp_path / "full")
    change(full)
    PairingWatch(full).look()
    full.database.close()
    lose_rows(tmp_path / "full")
    (tmp_path / "full" / "dahlia.db").write_bytes(old)
    with pytest.raises(PairingError, match=r"ends \d changes earlier|received one that never|new, empty one"):
        opened(tmp_path / "full")


def test_a_database_that_was_used_elsewhere_meanwhile_is_recognised(full: Server, tmp_path: Path) -> None:
    full.database.close()
    shutil.copytree(tmp_path / "full", tmp_path / "clone")
    for home in ("full", "clone"):
        server = opened(tmp_path / home)
        change(server, f"change of {home}")
        PairingWatch(server).look()
        server.database.close()
    with pytest.raises(PairingError, match="another history"):
        opened(tmp_path / "clone", DAHLIA_STORAGE_URL=str(tmp_path / "full" / "files"))


def test_a_database_from_before_identities_meets_its_storage(full: Server) -> None:
    with full.database.write() as session:
        session.execute(delete(IdentityRow))
    full.storage.delete(IDENTITY)
    pair(full.database, full.storage, full.now())
    check(full.database, full.storage)


def test_a_storage_without_an_identity_is_not_taken_for_the_one_that_had_it(full: Server) -> None:
    full.storage.delete(IDENTITY)  # as in a folder that was written to while the disk was not mounted
    for look in (check, lambda *pair_of: pair(*pair_of, full.now())):
        with pytest.raises(PairingError, match="without an identity"):
            look(full.database, full.storage)
    watch = PairingWatch(full)  # its first look is no second first meeting
    watch.look()
    with pytest.raises(DatabaseError, match="its files belong to another database"):
        change(full)
    again = open_server(full.settings, paired=False)
    adopt(again.database, again.storage, again.now())
    again.database.close()
    watch.look()
    change(full)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"server": 1}', b"\xff\xfe"])
def test_a_damaged_identity_is_refused_in_words(full: Server, content: bytes) -> None:
    full.storage.put(IDENTITY, content)
    with pytest.raises(Exception, match="Expected the identity of a server") as refusal:
        open_server(full.settings)
    assert "dahlia adopt" in str(refusal.value)
    adopt(full.database, full.storage, full.now())
    open_server(full.settings).database.close()


def test_what_is_adopted_belongs_together_and_refuses_the_other(full: Server, tmp_path: Path) -> None:
    other = opened(tmp_path / "other")
    storage = full.storage
    adopt(other.database, storage, other.now())
    check(other.database, storage)
    with pytest.raises(PairingError, match="that of another server"):
        open_server(full.settings)
    stored = read_identity(storage)
    assert stored is not None
    assert len(stored.earlier) == 2


def test_the_storage_hears_of_changes(full: Server) -> None:
    before = read_identity(full.storage)
    PairingWatch(full).look()
    assert read_identity(full.storage) == before
    change(full)
    PairingWatch(full).look()
    after = read_identity(full.storage)
    assert before is not None
    assert after is not None
    assert after.position.line == before.position.line + 1


def test_nothing_is_written_while_the_storage_is_another(
    full: Server, caplog: pytest.LogCaptureFixture
) -> None:
    watch = PairingWatch(full)
    watch.look()
    kept = full.storage.get(IDENTITY)
    full.storage.delete(IDENTITY)  # as where another disk is mounted
    watch.look()
    watch.look()
    assert caplog.text.count("Writing has stopped") == 1
    with pytest.raises(DatabaseError, match="its files belong to another database"):
        change(full)
    full.storage.put(IDENTITY, kept)
    watch.look()
    change(full)


def test_a_storage_that_cannot_be_asked_is_compared_later(
    full: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: object, key: str) -> bytes:
        raise StorageError("the bucket is away")

    with monkeypatch.context() as away:
        away.setattr("dahlia.server.storage.storage.Storage.get", fail)
        server = open_server(full.settings)
        watch = PairingWatch(server)
        watch.look()
        watch.look()
    assert caplog.text.count("the bucket is away") == 2  # at the start, and once by the watch
    change(server)
    watch.look()
    check(server.database, server.storage)
    server.database.close()


def test_a_pair_is_described_for_who_decides(full: Server, tmp_path: Path) -> None:
    assert "1 projects, 3 images" in describe(full)
    assert "The database names the files" in describe(full)
    other = opened(tmp_path / "other")
    other.storage = full.storage
    assert "names none of" in describe(other)


def test_a_bucket_knows_its_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_s3() as endpoint:
        for name, value in s3_variables(endpoint).items():
            monkeypatch.setenv(name, value)
        url = f"s3://{make_bucket(endpoint)}/production"
        server = opened(tmp_path / "home", DAHLIA_STORAGE_URL=url)
        fill(server)
        PairingWatch(server).look()
        server.database.close()
        opened(tmp_path / "home", DAHLIA_STORAGE_URL=url).database.close()
        with pytest.raises(PairingError, match="received a new, empty one"):
            opened(tmp_path / "staging", DAHLIA_STORAGE_URL=url)
        with pytest.raises(PairingError, match="Expected the files of 3 images"):
            opened(tmp_path / "home", DAHLIA_STORAGE_URL=f"{url}-mistyped")


def test_a_thumbnail_is_no_evidence_of_a_database(tmp_path: Path) -> None:
    server = opened(tmp_path / "home")
    server.storage.put(thumbnail_key("0" * 64), b"jpg")
    server.database.close()
    opened(tmp_path / "home").database.close()


def test_nothing_is_written_to_the_empty_folder_of_an_unmounted_disk(full: Server, tmp_path: Path) -> None:
    files = tmp_path / "full" / "files"
    files.rename(tmp_path / "disk")
    for mount_point in ("missing", "empty"):
        if mount_point == "empty":
            files.mkdir()
        with pytest.raises(StorageError, match="Mount the disk"):
            full.storage.put("images/aa/aa.jpg", b"photo")
    assert not list(files.iterdir())
    files.rmdir()
    (tmp_path / "disk").rename(files)
    full.storage.put("images/aa/aa.jpg", b"photo")
    assert full.storage.get("images/aa/aa.jpg") == b"photo"


def test_a_disk_that_goes_during_a_write_fails_it(
    full: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "full" / "files"

    def unmount(self: Folder, staged: Path, path: Path) -> None:
        files.rename(tmp_path / "disk")
        path.parent.mkdir(parents=True)
        (tmp_path / "disk" / STAGED / staged.name).rename(path)

    monkeypatch.setattr(Folder, "_name", unmount)
    with pytest.raises(StorageError, match="Mount the disk"):
        full.storage.put("images/aa/aa.jpg", b"photo")
