"""Files that nothing needs any more: which are deleted, which are kept, and who hears of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from iteration_cases import new_project
from server_rows import add_image, add_project
from sqlalchemy import delete, inspect, select, text, update
from starlette.testclient import TestClient

from dahlia.server.cleaning.cleaning import Cleaning, clean, search
from dahlia.server.cleaning.orphans import (
    LEAST_LIMIT,
    clean_orphans,
    delete_orphans,
    find_orphans,
    limit_of,
    listed_orphans,
)
from dahlia.server.context import Server
from dahlia.server.database.tables import DiscardRow, ImageRow, ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import JobRow
from dahlia.server.disk import DiskSpace
from dahlia.server.pairing import PairingError, adopt
from dahlia.server.storage.names import IDENTITY, history_key, image_key, resized_key, thumbnail_key

pytestmark = pytest.mark.both_databases

DAY = timedelta(days=1)
MONTH = 30 * DAY


def age(server: Server, by: timedelta = 2 * DAY) -> None:
    """Let all files have been written earlier, and the database have known them."""
    root = Path(server.storage.place)
    moment = (datetime.now(UTC) - by).timestamp()
    for path in root.rglob("*"):
        if path.is_file() and path.name != IDENTITY:
            os.utime(path, (moment, moment))


def keys(server: Server) -> set[str]:
    return {entry.key for entry in server.storage.keys("")} - {IDENTITY}


def later(server: Server, by: timedelta) -> None:
    now = server.now()
    server.now = lambda: now + by


def store_orphans(server: Server, count: int, folder: str = "") -> set[str]:
    """Images with thumbnails that no row names."""
    made = set()
    for number in range(count):
        sha256 = f"{number:x}".rjust(64, "a")
        for key in (image_key(sha256, ".jpg"), thumbnail_key(sha256)):
            server.storage.put(key, b"bytes")
            made.add(key)
    return made


@pytest.fixture
def old(server: Server) -> Server:
    """A server that has been there for long, so that its orphans may go."""
    with server.database.write() as session:
        session.execute(text("UPDATE identity SET made = 0"))
    return server


def discards(server: Server) -> set[tuple[str, str]]:
    with server.database.read() as session:
        return {(row.kind, row.name.replace("-", "")) for row in session.scalars(select(DiscardRow))}


def test_a_database_remembers_whose_rows_were_deleted(server: Server) -> None:
    project = add_project(server)
    images = [add_image(server, project, f"{n}".encode()) for n in range(3)]
    with server.database.write() as session:
        session.execute(delete(ImageRow).where(ImageRow.key == images[0].key))
    assert discards(server) == {("image", f"{images[0].sha256}.jpg")}
    with server.database.write() as session:  # a cascade counts
        session.execute(delete(ProjectRow).where(ProjectRow.key == project.key))
    assert discards(server) == {("image", f"{one.sha256}.jpg") for one in images}
    with server.database.read() as session:
        moment = session.scalars(select(DiscardRow.moment)).first()
    assert moment is not None
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)


def test_deleted_images_go_after_a_day(server: Server) -> None:
    project = add_project(server)
    kept, gone = add_image(server, project, b"kept"), add_image(server, project, b"gone")
    for row in (kept, gone):
        server.storage.put_many({thumbnail_key(row.sha256): b"t", resized_key(row.sha256): b"r"})
    age(server)
    with server.database.write() as session:
        session.execute(delete(ImageRow).where(ImageRow.key == gone.key))
    before = keys(server)
    clean(server)
    search(server)
    assert keys(server) == before
    later(server, DAY + timedelta(hours=1))
    clean(server)
    assert keys(server) == {
        image_key(kept.sha256, ".jpg"), thumbnail_key(kept.sha256), resized_key(kept.sha256),
    }  # fmt: skip
    assert discards(server) == set()


def test_a_deleted_image_that_is_uploaded_again_stays(server: Server) -> None:
    project = add_project(server)
    row = add_image(server, project, b"again")
    with server.database.write() as session:
        session.execute(delete(ImageRow).where(ImageRow.key == row.key))
    add_image(server, project, b"again")
    age(server)
    later(server, 2 * DAY)
    clean(server)
    assert keys(server) == {image_key(row.sha256, ".jpg")}
    assert discards(server) == set()


def test_a_file_that_an_upload_has_just_written_stays(server: Server) -> None:
    row = add_image(server, add_project(server), b"at work")
    with server.database.write() as session:
        session.execute(delete(ImageRow))
    server.settings = replace_cleaning(server, deleted_hours=0.0)
    later(server, timedelta(minutes=9))
    clean(server)  # its file is younger than ten minutes: another upload may be about to name it
    assert keys(server) == {image_key(row.sha256, ".jpg")}
    assert len(discards(server)) == 1
    later(server, timedelta(minutes=2))
    clean(server)
    assert keys(server) == set()


def test_what_was_deleted_makes_room_soon_on_a_full_disk(server: Server, tmp_path: Path) -> None:
    add_image(server, add_project(server), b"old")
    age(server)
    add_image(server, add_project(server, "other"), b"young")
    with server.database.write() as session:
        session.execute(delete(ImageRow))
    server.space = DiskSpace({"storage": tmp_path}, floor=1 << 60)
    clean(server)
    assert len(keys(server)) == 2  # a request may be under way that names them
    later(server, timedelta(minutes=2))
    clean(server)
    assert keys(server) == set()


def test_an_old_deletion_says_nothing_of_a_younger_file(server: Server) -> None:
    project = add_project(server)
    row = add_image(server, project, b"deleted, uploaded again, and its row lost")
    with server.database.write() as session:
        session.execute(delete(ImageRow))
        session.execute(update(DiscardRow).values(moment=server.now() - timedelta(hours=30)))
    clean(server)  # as an old copy of the database would
    assert keys(server) == {image_key(row.sha256, ".jpg")}
    later(server, 2 * DAY)
    assert find_orphans(server).orphans == 1


def replace_cleaning(server: Server, **values: Any) -> Any:
    cleaning = server.settings.cleaning.model_copy(update=values)
    return server.settings.model_copy(update={"cleaning": cleaning})


def test_nothing_of_a_project_goes_while_another_is_being_copied(server: Server) -> None:
    project = add_project(server)
    add_image(server, project, b"copied")
    age(server)
    with server.database.write() as session:
        session.execute(delete(ImageRow))
        job = JobRow(
            id=new_id(), kind="import", project_key=project.key, iteration_key=None, payload={},
            state="running", attempts=1, worker=None, beat=0, cancel=False, progress={}, error=None,
            created=server.now(), started=None, ended=None,
        )  # fmt: skip
        session.add(job)
    later(server, 2 * DAY)
    before = keys(server)
    clean(server)
    assert keys(server) == before
    with server.database.write() as session:
        session.execute(delete(JobRow))
    clean(server)
    assert keys(server) == set()


def test_a_deleted_project_leaves_nothing(client: TestClient, server: Server) -> None:
    case = new_project(server)
    iteration = client.post(f"{case.path}/train").json()["id"]
    server.storage.put(f"iterations/{iteration}/evaluation.json", b"{}")
    server.storage.put(f"exports/{iteration}/{iteration}.ONNX.zip", b"zip")
    identity = case.path.rpartition("/")[2]
    server.storage.put(history_key(identity), b"bundle")
    age(server)
    assert client.delete(case.path).status_code == 204
    assert keys(server)
    later(server, 2 * DAY)
    clean(server)
    assert keys(server) == set()
    found = find_orphans(server)
    assert (found.files, found.orphans) == (0, 0)


def test_what_no_row_names_is_listed_and_kept(old: Server, caplog: pytest.LogCaptureFixture) -> None:
    kept = add_image(old, add_project(old), b"kept")
    orphans = store_orphans(old, 4)
    for strange in ("images/note.txt", "iterations/not-an-id/x.json", "other/file"):
        old.storage.put(strange, b"not ours")
    age(old)
    before = keys(old)
    search(old)
    assert "8 files (0 MB) in the storage belong to no image and no iteration" in caplog.text
    assert {row.file for row in listed_orphans(old, timedelta(0))} == orphans
    later(old, 29 * DAY)
    search(old)
    assert keys(old) == before
    later(old, 2 * DAY)
    with caplog.at_level(logging.WARNING, "dahlia.server"):
        search(old)
    assert "Deleting 8 files that no row has named since" in caplog.text
    assert keys(old) == before - orphans
    assert image_key(kept.sha256, ".jpg") in keys(old)
    assert listed_orphans(old, timedelta(0)) == []


def test_many_orphans_at_once_are_not_deleted(old: Server, caplog: pytest.LogCaptureFixture) -> None:
    store_orphans(old, LEAST_LIMIT)  # two files each
    age(old)
    search(old)
    later(old, MONTH + DAY)
    before = keys(old)
    search(old)
    assert keys(old) == before
    assert "20 files that no row names could be deleted now" in caplog.text
    assert "more than the 10 of 20 files" in caplog.text
    assert delete_orphans(old, listed_orphans(old, MONTH)) == 20
    assert keys(old) == set()


@pytest.mark.parametrize(
    ("files", "limit"), [(0, 10), (300, 10), (4_442, 44), (10_000, 100), (1_000_000, 100)]
)
def test_one_run_deletes_little(files: int, limit: int) -> None:
    assert limit_of(files) == limit


def test_files_older_than_the_database_are_never_deleted(server: Server) -> None:
    store_orphans(server, 2)
    age(server)
    adopt(server.database, server.storage, server.now())
    search(server)
    later(server, 400 * DAY)
    search(server)
    found = find_orphans(server)
    assert found.orphans == 4
    assert clean_orphans(server, found, MONTH) == 0
    assert len(keys(server)) == 4


def test_nothing_is_cleaned_in_another_servers_storage(old: Server) -> None:
    store_orphans(old, 2)
    age(old)
    old.storage.delete(IDENTITY)
    for work in (clean, search):
        with pytest.raises(PairingError):
            work(old)
    assert len(keys(old)) == 4


def test_what_has_a_row_again_leaves_the_list(old: Server) -> None:
    row = add_image(old, add_project(old), b"lost and found")
    columns = (column.key for column in inspect(ImageRow).column_attrs)
    values = {name: getattr(row, name) for name in columns if name != "key"}
    with old.database.write() as session:
        session.execute(delete(ImageRow))
        session.execute(delete(DiscardRow))  # as in a database that never knew it
    age(old)
    assert find_orphans(old).new == 1
    with old.database.write() as session:
        session.add(ImageRow(**values))
    rows = listed_orphans(old, timedelta(0))
    assert delete_orphans(old, rows) == 0
    assert listed_orphans(old, timedelta(0)) == []
    assert keys(old) == {image_key(row.sha256, ".jpg")}


def test_an_orphan_that_is_written_again_stays(old: Server) -> None:
    orphans = store_orphans(old, 1)
    age(old)
    find_orphans(old)
    rows = listed_orphans(old, timedelta(0))
    store_orphans(old, 1)
    assert delete_orphans(old, rows) == 0
    assert keys(old) == orphans


def test_files_of_iterations_are_orphans_too(old: Server) -> None:
    gone = new_id()
    files = {f"iterations/{gone}/bundle/model.json", f"exports/{gone}/x.zip", f"histories/{gone}.bundle"}
    for key in files:
        old.storage.put(key, b"bytes")
    age(old)
    assert find_orphans(old).orphans == 3
    assert {row.file for row in listed_orphans(old, timedelta(0))} == files


def test_a_problem_is_logged_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.storage.delete(IDENTITY)
    server.settings = replace_cleaning(server, every_seconds=0.01)
    cleaning = Cleaning(server)
    cleaning.start()
    wait_for(lambda: "Nothing could be cleaned" in caplog.text)
    cleaning.stop()
    assert caplog.text.count("Nothing could be cleaned") == 1


def wait_for(reached: Callable[[], bool]) -> None:
    until = datetime.now(UTC) + timedelta(seconds=20)
    while not reached():
        assert datetime.now(UTC) < until
