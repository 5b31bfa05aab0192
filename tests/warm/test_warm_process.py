from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from warm_helpers import PATIENCE, SERVER, environment, eventually, started

from dahlia.warm import process as module
from dahlia.warm.process import WarmProcess


def test_it_comes_and_goes(warm: WarmProcess) -> None:
    assert warm.ready
    assert warm.alive
    assert warm.socket.is_socket()
    warm.close()
    assert not warm.ready
    assert not warm.alive
    assert not warm.socket.parent.exists()
    warm.close()


def test_one_that_fails_is_never_ready(tmp_path: Path) -> None:
    with started(tmp_path, "raise SystemExit(1)") as warm:
        assert not warm.wait_until_ready(PATIENCE)
        assert eventually(lambda: not warm.alive)


def test_one_that_takes_its_time_is_not_ready_yet(tmp_path: Path) -> None:
    with started(tmp_path, "import sys; sys.stdin.read()") as warm:
        assert not warm.wait_until_ready(0.05)
        assert warm.alive


def test_its_folder_is_private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.subprocess, "Popen", lambda *_, **__: None)
    with WarmProcess.start() as warm:
        assert stat.S_IMODE(warm.socket.parent.stat().st_mode) == 0o700
        assert warm.pid is None
    assert not warm.socket.parent.exists()


def test_a_long_path_is_avoided(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(module.tempfile, "tempdir", str(folder))
    monkeypatch.setattr(module.subprocess, "Popen", lambda *_, **__: None)
    with WarmProcess.start() as warm:
        assert len(str(warm.socket)) < 108
    assert list(folder.iterdir()) == []


def test_elsewhere_it_is_never_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "platform", "darwin")
    with WarmProcess.start() as warm:
        assert not warm.wait_until_ready(0)
        assert not warm.alive


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_who_started_it(tmp_path: Path, number: signal.Signals) -> None:
    starter = f"""
import subprocess, sys
warm = subprocess.Popen([sys.executable, "-c", {SERVER!r}, sys.argv[1]], stdin=subprocess.PIPE)
warm.wait()
"""
    path = tmp_path / "warm" / "socket"
    path.parent.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", starter, path], env=environment(), stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    process.wait(PATIENCE)
    assert process.stdout.read() == b""  # the warm process had it too
    assert not path.parent.exists()
    process.stdout.close()
