from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dahlia.server.workspaces.workspace import PipelineError, occupied

_HOLD = """
import sys
from pathlib import Path
from dahlia.server.workspaces.workspace import occupied
with occupied(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_held_by_another_process(tmp_path: Path) -> None:
    folder = tmp_path / "garden"
    command = [sys.executable, "-c", _HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(PipelineError, match="garden is in use by another process"), occupied(folder, 0.1):
            pass
        process.kill()
        with occupied(folder, 10.0):
            pass


def test_entered_again_by_its_thread_alone(tmp_path: Path) -> None:
    folder = tmp_path / "garden"
    refused: list[str] = []

    def try_it() -> None:
        try:
            with occupied(folder, 0.1):
                pass
        except PipelineError as error:
            refused.append(str(error))

    with occupied(folder) as outer, occupied(tmp_path / "." / "garden") as inner:
        assert inner == outer
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert len(refused) == 1
    try_it()
    assert len(refused) == 1
