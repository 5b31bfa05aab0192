from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from image_cases import photo
from rescue_cases import fill, opened, talking

from dahlia.errors import DahliaError
from dahlia.server.backup.archive import is_empty
from dahlia.server.context import Server
from dahlia.server.keys.keys import find_access
from dahlia.server.rescue import commands, rebuilding
from dahlia.server.rescue.commands import rescue
from dahlia.server.storage.names import image_key


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Settings of a server whose database is new, and whose storage is another's."""
    first = opened(tmp_path / "first", str(tmp_path / "files"), f"sqlite:///{tmp_path / 'first.db'}")
    fill(first)
    first.database.close()
    database = f"sqlite:///{tmp_path / 'second.db'}"
    return {
        "DAHLIA_SERVER_HOME": str(tmp_path / "second"),
        "DAHLIA_STORAGE_URL": str(tmp_path / "files"),
        "DAHLIA_DATABASE_URL": database,
    }


def second(places: dict[str, str]) -> Server:
    names = ("SERVER_HOME", "STORAGE_URL", "DATABASE_URL")
    home, storage, database = (places[f"DAHLIA_{name}"] for name in names)
    return opened(Path(home), storage, database)


def run(places: dict[str, str], *arguments: str, said: str = "") -> Result:
    return CliRunner(env=places).invoke(rescue, arguments, input=said)


def projects(places: dict[str, str]) -> list[str]:
    server = second(places)
    with talking(server) as client:
        names = [one["name"] for one in client.get("/projects").json()]
    server.database.close()
    return names


def test_it_asks_and_shows_keys_that_open_what_is_there_again(places: dict[str, str]) -> None:
    done = run(places, said="y\n")
    assert done.exit_code == 0, done.output
    assert f"a new server of the files in {places['DAHLIA_STORAGE_URL']}?" in done.stdout
    assert re.search(r"Grandma's garden +\S{36} +2 +3 +13 +12 +0", done.stdout)
    key = re.search(r"Training key: +(\w+)", done.stdout)
    assert key
    server = second(places)
    with server.database.read() as session:
        access = find_access(session, key[1], server.now())
    server.database.close()
    assert access is not None
    assert access.scope == "training"
    assert "Publish iterations again" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said", "code", "message"),
    [
        ((), "n\n", 1, "Aborted"),
        (("--dry-run",), "", 0, "Nothing was written."),
    ],
)
def test_nothing_is_written_unless_it_is_wanted(
    places: dict[str, str], arguments: tuple[str, ...], said: str, code: int, message: str
) -> None:
    done = run(places, *arguments, said=said)
    assert (done.exit_code, message in done.output, "key:" in done.output) == (code, True, False)
    assert projects(places) == []


def test_many_problems_are_counted(places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_LISTED", 2)
    files = Path(places["DAHLIA_STORAGE_URL"])
    for number in range(5):
        (files / "images" / f"note-{number}").write_text("mine")
    done = run(places, "--yes")
    assert done.exit_code == 0
    assert done.stderr.count("its name is not that of an image") == 2
    assert "and 3 more" in done.stderr
    assert "5 files were not imported" in done.stdout


def test_progress_is_said(places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(rebuilding, "BATCH", 10)
    said = run(places, "--yes").stderr.splitlines()
    assert said[:2] == ["10 images looked at", "16 images looked at"]


def test_a_database_in_use_is_refused(places: dict[str, str]) -> None:
    assert run(places, "--yes").exit_code == 0
    done = run(places, "--yes")
    assert isinstance(done.exception, DahliaError)
    assert "move dahlia.db" in str(done.exception)


@pytest.mark.slow
def test_one_that_was_killed_is_run_again(places: dict[str, str], tmp_path: Path) -> None:
    server = second(places)
    for number in range(200):
        data = photo(5000 + number, 640, 480)
        server.storage.put(image_key(hashlib.sha256(data).hexdigest(), ".jpg"), data)
    server.database.close()
    thumbnails = Path(places["DAHLIA_STORAGE_URL"]) / "thumbnails"
    before = sum(1 for _ in thumbnails.rglob("*.jpg"))
    line = [sys.executable, "-m", "dahlia", "rescue", "--yes"]
    process = subprocess.Popen(line, env=os.environ | places, stdout=subprocess.DEVNULL, cwd=tmp_path)
    try:
        while process.poll() is None and sum(1 for _ in thumbnails.rglob("*.jpg")) <= before:
            time.sleep(0.01)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    server = second(places)
    with server.database.read() as session:
        assert is_empty(session)
    server.database.close()
    again = subprocess.run(
        line, env=os.environ | places, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "216 images" in again.stdout
    assert projects(places) == ["Grandma's garden", "kitchen", "Rescued images"]
