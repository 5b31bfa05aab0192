"""Workers are kept alive, also where the system has no process to spare for a while."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dahlia.server import running
from dahlia.server.context import Server
from dahlia.server.running import Workers


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_that_cannot_be_started_is_tried_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    start, faults = subprocess.Popen, [errno.EAGAIN, errno.ENOMEM]
    started = tmp_path / "started"

    def popen(command: list[str], **options: Any) -> Any:
        if faults:
            number = faults.pop(0)
            raise OSError(number, {errno.EAGAIN: "no process", errno.ENOMEM: "no memory"}[number])
        return start([sys.executable, "-c", f"open({str(started)!r}, 'w'); input()"], **options)

    monkeypatch.setattr(running.subprocess, "Popen", popen)
    monkeypatch.setattr(running, "_FIRST_PAUSE", 0.01)
    with caplog.at_level(logging.WARNING, "dahlia.server"), Workers(server, None):
        until = time.monotonic() + 30
        while not started.exists():
            assert time.monotonic() < until, caplog.text
            time.sleep(0.02)
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "A worker could not be started (no process)",
        "A worker could not be started (no memory)",
    ]
