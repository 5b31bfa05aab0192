"""What is imported before a fork, and what that leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dahlia.tracking import store
from dahlia.warm.server import DVCS, OURS, THEIRS, VARIABLES

SCRIPT = """
import json, os, sys, threading, warnings
from pathlib import Path

def descriptors():
    return len(os.listdir("/proc/self/fd"))

def natives():
    return [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]

before = {"descriptors": descriptors(), "stdout": sys.stdout, "hooks": [sys.excepthook, sys.displayhook]}
from dahlia.warm.server import prepare
prepare()
after = {
    "threads": [thread.name for thread in threading.enumerate()],
    "descriptors": descriptors() - before["descriptors"],
    "streams": sys.stdout is before["stdout"],
    "hooks": [sys.excepthook, sys.displayhook] == before["hooks"],
}
if os.fork() == 0:
    os._exit(0)
os.wait()
print(json.dumps(after | {"natives": natives(), "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def prepared() -> Any:
    """What a prepared process says of itself."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_variables_are_those_of_the_commands() -> None:
    assert {name: VARIABLES[name] for name in store._QUIET} == store._QUIET


@pytest.mark.slow
def test_nothing_lives_that_a_fork_would_break(prepared: Any) -> None:
    assert prepared["threads"] == ["MainThread"]
    # Arrow's allocator has a thread for giving memory back; it does without in a fork.
    assert set(prepared["natives"]) <= {f"{Path(sys.executable).name}\n", "python\n", "jemalloc_bg_thd\n"}
    assert len(prepared["natives"]) <= 2
    assert prepared["descriptors"] == 0


@pytest.mark.slow
def test_streams_and_hooks_are_as_they_were(prepared: Any) -> None:
    assert prepared["streams"]
    assert prepared["hooks"]


@pytest.mark.slow
def test_every_name_is_there(prepared: Any) -> None:
    """A name that a library no longer has would be left to the commands, in silence."""
    assert set(f"{OURS} {THEIRS} {DVCS}".split()) <= set(prepared["modules"])
