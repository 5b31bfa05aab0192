"""`dahlia serve` as a process, with a worker, an empty home and the keys that it says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 60.0  # seconds; the start takes one
_SAID = {
    "base": re.compile(r"^Dahlia is running at (https?://\S+)", re.MULTILINE),
    "training_key": re.compile(r"^Training key: +(\S+)", re.MULTILINE),
    "prediction_key": re.compile(r"^Prediction key: +(\S+)", re.MULTILINE),
}


@dataclass(frozen=True)
class RunningServer:
    """A server that answers.

    Attributes:
        base: its address, such as `http://127.0.0.1:41234`.
        training_key: opens everything.
        prediction_key: opens predictions.
        home: its folder.
        settings: its variables beyond those that every server of the tests has.
    """

    base: str
    training_key: str
    prediction_key: str
    home: Path
    settings: Mapping[str, str]

    def dahlia(self, *words: str) -> str:
        """What a command of its owner's says."""
        command = [sys.executable, "-m", "dahlia", *words]
        done = subprocess.run(
            command,
            env={**_environment(self.home), **self.settings},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


@contextmanager
def running_server(home: Path, *options: str, **settings: str) -> Iterator[RunningServer]:
    """Serve until the block ends; a traceback in the log is a failure.

    Args:
        home: the server's folder.
        options: of the command.
        settings: variables beyond those that every server of the tests has.
    """
    log = home.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dahlia", "serve", *options],
            env={**_environment(home), **settings},
            cwd=home.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield RunningServer(home=home, settings=settings, **_read(process, log))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()[-8000:]


def _environment(home: Path) -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("DAHLIA_")}
    settings = {
        "DAHLIA_SERVER_HOME": str(home),
        "DAHLIA_SERVER_PORT": "0",
        "DAHLIA_SECURITY_URL_FETCH": "any",  # the photos of the tests lie on this machine
        "DAHLIA_JOBS_POLL_SECONDS": "0.1",
        "DAHLIA_RUNTIME": "onnxruntime",  # others may differ from a quick test in the last digits
    }
    return bare | settings


def _read(process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        text = log.read_text()
        said = {what: match[1] for what, pattern in _SAID.items() if (match := pattern.search(text))}
        if len(said) == len(_SAID):
            return said
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")
