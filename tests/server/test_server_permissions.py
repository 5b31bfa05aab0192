"""Who else on the machine may read the server's state."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from prediction_cases import picture

from dahlia.server import disk
from dahlia.server.context import open_server
from dahlia.settings.server import load_settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def test_what_is_private_is_so_whatever_the_umask_and_leaves_it(tmp_path: Path) -> None:
    with umask(0o022):
        with disk.private():
            (tmp_path / "file").touch()
            subprocess.run(["mkdir", tmp_path / "folder"], check=True)
        (tmp_path / "after").touch()
    found = mode(tmp_path / "file"), mode(tmp_path / "folder"), mode(tmp_path / "after")
    assert found == (0o600, 0o700, 0o644)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        (0o755, 0o700, "Closed to other users"),
        (0o775, 0o700, "Closed to other users"),
        (0o711, 0o700, "Closed to other users"),
        (0o777, 0o700, "Closed to other users"),
        (0o2755, 0o2700, "Closed to other users"),
        (0o750, 0o750, "The group of"),
        (0o2770, 0o2770, "The group of"),
        (0o1777, 0o1777, "All users"),
        (0o700, 0o700, ""),
        (0o500, 0o500, ""),
    ],
)
def test_what_is_open_is_closed_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, was: int, becomes: int, said: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(was)
    disk.close_to_others([home, tmp_path / "nothing there"])
    assert mode(home) == becomes
    assert [said in line for line in caplog.messages] == [True] * bool(said)
    caplog.clear()
    disk.close_to_others([home])
    assert bool(caplog.messages) is (becomes & 0o077 != 0)


def test_what_cannot_be_closed_is_said_and_does_not_stop_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / "home").mkdir(mode=0o755)
    monkeypatch.setattr(Path, "chmod", refuse)
    disk.close_to_others([tmp_path / "home"])
    assert "cannot be changed: Operation not permitted. Run `chmod go= " in caplog.text


def test_a_home_of_before_is_closed_with_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    with umask(0o022):
        for folder in (home, elsewhere, elsewhere / "photos"):
            folder.mkdir()
        for suffix in ("", "-wal", "-shm"):
            (elsewhere / f"rows.db{suffix}").touch()
    places = {
        "DAHLIA_SERVER_HOME": str(home),
        "DAHLIA_DATABASE_URL": f"sqlite:///{elsewhere}/rows.db",
        "DAHLIA_STORAGE_URL": str(elsewhere / "photos"),
    }
    open_server(load_settings(None, places)).database.close()
    assert (mode(home), mode(elsewhere / "photos")) == (0o700, 0o700)
    assert mode(elsewhere / "rows.db") == 0o600
    assert mode(elsewhere) == 0o755  # it is not the server's own
    assert len(caplog.messages) == 1
    assert all(str(place) in caplog.text for place in (home, elsewhere / "photos", elsewhere / "rows.db"))
    caplog.clear()
    open_server(load_settings(None, places)).database.close()
    assert caplog.messages == []


@pytest.mark.slow
def test_no_file_of_a_running_server_is_others_to_read(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with umask(0o022), serving(home, tmp_path / "log") as (base, key):
        training = f"{base}/customvision/v3.4-preview/training"
        headers = {"Training-Key": key}
        project = requests.post(f"{training}/projects?name=garden", headers=headers, timeout=20).json()["id"]
        added = requests.post(
            f"{training}/projects/{project}/images",
            headers=headers,
            files={"imageData": picture(size=(1800, 900))},
            timeout=20,
        ).json()
        image = added["images"][0]["image"]
        for link in ("originalImageUri", "resizedImageUri", "thumbnailUri"):
            assert requests.get(image[link], timeout=20).status_code == 200
        run(home, "backup", str(tmp_path / "backup.zip"))
        while_running = open_to_others(home)
    assert while_running == open_to_others(home) == []
    assert {"dahlia.db", "secret", "files"} <= {path.name for path in home.iterdir()}
    assert mode(tmp_path / "backup.zip") == 0o600
    other = tmp_path / "other"
    with umask(0o022):
        run(other, "restore", str(tmp_path / "backup.zip"))
    assert open_to_others(other) == []
    assert (other / "files" / "images").is_dir()


def open_to_others(home: Path) -> list[str]:
    places = [home, *home.rglob("*")]
    return [f"{path} {mode(path):o}" for path in places if not path.is_symlink() and mode(path) & 0o077]


def environment(home: Path) -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("DAHLIA_")}
    return bare | {"DAHLIA_SERVER_HOME": str(home), "DAHLIA_SERVER_PORT": "0", "DAHLIA_JOBS_WORKERS": "0"}


def run(home: Path, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "dahlia", *words], env=environment(home), check=True, capture_output=True
    )


@contextmanager
def serving(home: Path, log: Path) -> Iterator[tuple[str, str]]:
    """A server in a process of its own: its address and its training key."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dahlia", "serve"],
            env=environment(home),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + 60
        while "Dahlia is running" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        words = log.read_text().split()
        yield words[words.index("running") + 2], words[words.index("key:") + 1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
