"""Warm processes that are ready at once, and a program for them to fork."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from child_processes import python_path
from dahlia.warm.process import WarmProcess

HERE = Path(__file__).parent
PATIENCE = 20.0
CLIENT = """
import sys
from dahlia.warm.client import hand_over
sys.argv = ["actor", *sys.argv[1:]]
hand_over("actor")
print("by itself")
"""
SERVER = """
import sys
from pathlib import Path
from dahlia.warm.server import serve
serve(Path(sys.argv[1]), prepare=lambda: None)
"""


def environment(**variables: str) -> dict[str, str]:
    """The tests' own variables, with the program `actor` to be found."""
    return os.environ | {"PYTHONPATH": python_path(HERE, HERE.parent)} | variables


@contextmanager
def started(folder: Path, script: str = SERVER, **variables: str) -> Iterator[WarmProcess]:
    """A warm process without preparation; what it has to say goes to `folder/log`."""
    path = folder / "warm" / "socket"
    path.parent.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", script, path],
            env=environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    with WarmProcess(path, process) as warm:
        yield warm


class Clients:
    """Starts clients of one warm process."""

    def __init__(self, warm: WarmProcess) -> None:
        self.warm = warm
        self.environment = environment(DAHLIA_WARM=str(warm.socket))

    def start(
        self, *arguments: str, command: tuple[str, ...] = (), **options: object
    ) -> subprocess.Popen[str]:
        """`actor ARGUMENTS`, or `python COMMAND`."""
        given = {"env": self.environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | options
        return subprocess.Popen(
            [sys.executable, *(command or ("-c", CLIENT)), *arguments], text=True, **given
        )  # type: ignore[call-overload,no-any-return]

    def run(self, *arguments: str, **options: object) -> tuple[int, str]:
        """The exit code and what was printed."""
        process = self.start(*arguments, **options)
        output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output


def eventually(condition: Callable[[], object]) -> bool:
    """Whether it comes true within some seconds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_running(pid: int) -> bool:
    """Whether there is such a process that has not ended; a zombie has."""
    return _status(pid).get("State", "X")[0] not in "XZ"


def children(pid: int) -> list[int]:
    """The ids of a process's children, zombies as well."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _status(int(entry.name)).get("PPid") == str(pid)
    ]


def parent(pid: int) -> int:
    return int(_status(pid)["PPid"])


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
