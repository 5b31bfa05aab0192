"""The server's own backups: which is due, which are deleted, one at a time; and the commands."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock
from image_cases import entry, photo, statuses, upload, uploaded
from server_rows import add_image, add_project
from starlette.testclient import TestClient

from dahlia.cli import cli
from dahlia.server.app import create_app
from dahlia.server.backup.archive import ABOUT, FORMAT, About
from dahlia.server.backup.automatic import FAILURE, Backups, backup_name, backups_in, is_due, last_backup
from dahlia.server.backup.reading import verify_backup
from dahlia.server.backup.writing import BackupInProgress, make_backup, prune
from dahlia.server.context import Server, open_server
from dahlia.server.keys.keys import Scope, create_key
from dahlia.server.storage.names import image_key, sha256_of_key
from dahlia.settings.server import load_settings

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BASE = "/customvision/v3.4-preview/training"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on SQLite with a photo, which makes a backup a day and keeps two; commands use it too."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "SERVER_HOME": str(tmp_path / "home"),
        "BACKUP_EVERY": "24",
        "BACKUP_KEEP": "2",
    }.items():
        monkeypatch.setenv(f"DAHLIA_{name}", value)
    server = open_server(load_settings(None, os.environ))
    add_image(server, add_project(server), b"photo")
    yield server
    server.database.close()


def put_backup(folder: Path, moment: datetime, **missing: str) -> Path:
    folder.mkdir(exist_ok=True)
    about = About(
        format=FORMAT, dahlia="0", schema_revision="0001", made=moment, rows={}, files=0, missing=missing
    )
    path = folder / backup_name(moment)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(ABOUT, about.model_dump_json())
    return path


@pytest.mark.parametrize(
    ("ages", "due"),
    [
        ([], True),
        ([1], False),
        ([23.9], False),
        ([24], True),
        ([30, 2, 100], False),
        ([-48], True),  # from a clock that was wrong
        ([-48, 3], False),
    ],
)
def test_a_backup_is_due_when_the_last_one_is_old(tmp_path: Path, ages: list[float], due: bool) -> None:
    for age in ages:
        (tmp_path / backup_name(NOON - timedelta(hours=age))).touch()
    (tmp_path / "dahlia-monday.zip").touch()
    (tmp_path / f".{backup_name(NOON)}.abcd1234.zip").touch()
    assert is_due(tmp_path, 24, NOON) == due
    assert len(backups_in(tmp_path)) == len(ages)


def test_without_a_folder_a_backup_is_due(tmp_path: Path) -> None:
    assert is_due(tmp_path / "none", 24, NOON)
    assert last_backup(tmp_path / "none", NOON) is None


@pytest.mark.parametrize(
    ("missing", "keep", "kept"),
    [
        ([0, 0, 0, 0], 2, [0, 1]),
        ([0, 0, 0, 0], 1, [0]),
        ([0, 0, 0, 0], 9, [0, 1, 2, 3]),
        ([1, 1, 1, 0, 0], 2, [0, 1, 3]),  # the last that lacks nothing stays
        ([1, 0, 1, 0], 1, [0, 1]),
        ([0, 1, 1, 0], 2, [0, 1]),
        ([1, 1, 1], 2, [0, 1]),
    ],
)
def test_old_backups_go_and_the_last_complete_one_stays(
    tmp_path: Path, missing: list[int], keep: int, kept: list[int]
) -> None:
    """`missing` is by age, the new one first."""
    paths = [
        put_backup(tmp_path, NOON - timedelta(days=age), **({"images/x.jpg": "gone"} if lacks else {}))
        for age, lacks in enumerate(missing)
    ]
    with zipfile.ZipFile(paths[0]) as archive:
        about = About.model_validate_json(archive.read(ABOUT))
    gone = prune(paths[0], about, keep)
    assert [age for age, path in enumerate(paths) if path.exists()] == kept
    assert set(gone) == {path for age, path in enumerate(paths) if age not in kept}


def test_a_new_backup_replaces_the_oldest(opened: Server) -> None:
    folder = opened.settings.backup_folder
    old = [put_backup(folder, opened.now() - timedelta(days=days)) for days in (1, 2, 3)]
    (folder / "mine.zip").touch()
    made = make_backup(opened)
    assert made is not None
    assert verify_backup(made.path).rows["images"] == 1
    assert made.removed == (old[1], old[2])
    assert [path for _, path in backups_in(folder)] == [made.path, old[0]]
    assert (folder / "mine.zip").exists()


def test_a_backup_that_fails_leaves_the_old_ones(opened: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    old = [
        put_backup(opened.settings.backup_folder, opened.now() - timedelta(days=days)) for days in (1, 2, 3)
    ]
    monkeypatch.setattr("dahlia.server.backup.writing.free_bytes", lambda _: 0)
    result = CliRunner().invoke(cli, ["backup"])
    assert "of free space" in str(result.exception)
    assert all(path.exists() for path in old)


def test_one_backup_is_made_at_a_time(opened: Server) -> None:
    folder = opened.settings.backup_folder
    folder.mkdir()
    with FileLock(folder / ".lock"):
        assert make_backup(opened, when_due=True) is None
        with pytest.raises(BackupInProgress, match="Another process"):
            make_backup(opened)
    assert make_backup(opened, when_due=True) is not None
    assert make_backup(opened, when_due=True) is None
    assert len(backups_in(folder)) == 1


def test_a_folder_that_cannot_be_made_is_named(opened: Server) -> None:
    opened.settings.backup_folder.write_text("a file")
    result = CliRunner().invoke(cli, ["backup"])
    assert "DAHLIA_BACKUP_FOLDER" in str(result.exception)


def test_the_commands_say_what_is_missing_and_end_with_3(opened: Server) -> None:
    for number in range(25):
        row = add_image(opened, add_project(opened, f"project {number}"), f"photo {number}".encode())
        opened.storage.delete(image_key(row.sha256, row.suffix))
    written = CliRunner().invoke(cli, ["backup", "monday.zip"])
    assert written.exit_code == 3
    assert "monday.zip: 26 projects, 26 images, 1 files; read back and found whole" in written.stdout
    assert "25 files are missing from the backup; all else is in it" in written.stderr
    assert written.stderr.count("there is no such file") == 20
    assert "and 5 more" in written.stderr
    verified = CliRunner().invoke(cli, ["backup", "--verify", "monday.zip"])
    assert (verified.exit_code, verified.stderr) == (3, written.stderr)
    restored = CliRunner().invoke(
        cli, ["restore", "monday.zip"], env={"DAHLIA_SERVER_HOME": str(Path("other").absolute())}
    )
    assert restored.exit_code == 3
    assert "26 images are back" in restored.stdout
    assert restored.stderr == written.stderr


def test_a_backup_is_verified_by_hand(opened: Server) -> None:
    made = CliRunner().invoke(cli, ["backup"])
    ((_, path),) = backups_in(opened.settings.backup_folder)
    assert made.exit_code == 0
    assert str(path) in made.stdout
    assert CliRunner().invoke(cli, ["backup", "--verify"]).stdout == made.stdout
    data = path.read_bytes()
    path.write_bytes(data.replace(b"photo", b"PHOTO"))
    assert "which is none" in str(CliRunner().invoke(cli, ["backup", "--verify"]).exception)
    path.unlink()
    assert "found none" in str(CliRunner().invoke(cli, ["backup", "--verify"]).exception)


def test_a_photo_that_is_uploaded_again_has_its_file_again(opened: Server) -> None:
    with opened.database.write() as session:
        key = create_key(session, "tests", Scope.TRAINING, None, opened.now())[1]
    with TestClient(create_app(opened), base_url=f"http://127.0.0.1{BASE}") as client:
        client.headers["Training-Key"] = key
        project = client.post("/projects", params={"name": "photo_set"}).json()["id"]
        (image,) = uploaded(client, project, entry(1))
        keys = [one.key for one in opened.storage.keys("") if sha256_of_key(one.key)]
        mine = [one for one in keys if opened.storage.get(one) == photo(1) or one.startswith("thumbnails/")]
        opened.storage.delete_many(mine)
        assert set(make_backup_missing(opened)) == {one for one in mine if one.startswith("images/")}
        summary = upload(client, project, entry(1))
        assert statuses(summary) == ["OKDuplicate"]
        assert summary["images"][0]["image"]["id"] == image
        assert {one.partition("/")[0] for one in mine} == {"images", "thumbnails"}
        assert all(opened.storage.exists(one) for one in mine)
        assert make_backup_missing(opened) == {}


def make_backup_missing(server: Server) -> dict[str, str]:
    folder = server.settings.backup_folder
    shutil.rmtree(folder, ignore_errors=True)
    made = make_backup(server)
    assert made is not None
    return made.about.missing


def metrics(server: Server) -> dict[str, float]:
    with server.database.write() as session:
        key = create_key(session, "tests", Scope.READ, None, server.now())[1]
    with TestClient(create_app(server), base_url=f"http://127.0.0.1{BASE}") as client:
        text = client.get("http://127.0.0.1/metrics", headers={"Training-Key": key}).text
    found = [line.split() for line in text.splitlines() if line.startswith("dahlia_backup")]
    return {name: float(value) for name, value in found}


def test_the_metrics_tell_the_age_of_the_last_backup(opened: Server) -> None:
    folder = opened.settings.backup_folder
    assert metrics(opened) == {"dahlia_backup_failed": 0}
    put_backup(folder, opened.now() - timedelta(hours=3))
    (folder / FAILURE).write_text("why")
    found = metrics(opened)
    assert found["dahlia_backup_failed"] == 1
    assert found["dahlia_backup_age_seconds"] == pytest.approx(3 * 3600, abs=60)


def wait_for(reached: Callable[[], object], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_without_a_setting_the_server_says_that_it_makes_no_backup(
    opened: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("DAHLIA_BACKUP_EVERY")
    opened.settings = load_settings(None, os.environ)
    backups = Backups(opened, None)
    with caplog.at_level(logging.INFO):
        backups.start()
        backups.stop()
    assert "Set backup.every" in caplog.text
    assert not opened.settings.backup_folder.exists()


@pytest.mark.slow
def test_the_server_makes_its_backups_itself(opened: Server, caplog: pytest.LogCaptureFixture) -> None:
    folder = opened.settings.backup_folder
    first, second = Backups(opened, None, 0.05), Backups(opened, None, 0.05)
    with caplog.at_level(logging.INFO):
        first.start()
        second.start()
        wait_for(lambda: "read back and found whole" in caplog.text)
        first.stop()
        second.stop()
    ((_, path),) = backups_in(folder)
    assert verify_backup(path).rows["images"] == 1
    assert metrics(opened)["dahlia_backup_failed"] == 0


@pytest.mark.slow
def test_a_failure_is_logged_and_noted_until_a_backup_is_made(
    opened: Server, caplog: pytest.LogCaptureFixture
) -> None:
    folder = opened.settings.backup_folder
    old = put_backup(folder, opened.now() - timedelta(days=2))
    files = Path(opened.storage.place)
    files.rename(files.with_name("away"))
    files.write_text("no folder")
    backups = Backups(opened, None, 0.05)
    backups.start()
    wait_for((folder / FAILURE).exists)
    backups.stop()
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said.startswith("THE BACKUP FAILED")
    assert "received none. Is it mounted" in said
    assert "Traceback" not in said
    assert (folder / FAILURE).read_text().strip()
    assert old.exists()
    assert metrics(opened)["dahlia_backup_failed"] == 1
    files.unlink()
    files.with_name("away").rename(files)
    again = Backups(opened, None, 0.05)
    again.start()
    wait_for(lambda: not (folder / FAILURE).exists())
    again.stop()
    assert len(backups_in(folder)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("end", ["the server's end", "SIGTERM", "SIGKILL"])
def test_a_backup_that_is_cut_off_leaves_nothing_that_counts(end: str, opened: Server) -> None:
    folder = opened.settings.backup_folder
    os.mkfifo(Path(opened.storage.place) / "images" / "stuck.jpg")  # reading it waits for ever
    process = subprocess.Popen(
        [sys.executable, "-m", "dahlia", "backup", "--attached"], stdin=subprocess.PIPE
    )
    wait_for(lambda: list(folder.glob(".dahlia-*.zip")))
    time.sleep(0.3)  # it is at the file that it waits for
    if end == "the server's end":
        assert process.stdin is not None
        process.stdin.close()
    else:
        process.send_signal(getattr(signal, end))
    process.wait(30)
    if process.stdin:
        process.stdin.close()
    assert backups_in(folder) == []
    leftovers = list(folder.glob(".dahlia-*.zip"))
    assert len(leftovers) == (1 if end == "SIGKILL" else 0)
    (Path(opened.storage.place) / "images" / "stuck.jpg").unlink()
    for path in leftovers:
        os.utime(path, (1e9, 1e9))
    assert make_backup(opened) is not None
    assert list(folder.glob(".dahlia-*.zip")) == []
