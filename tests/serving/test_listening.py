"""Where `bentoml serve` listens, and what it says of it."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from running_services import SERVICE, make_project

from dahlia.http.fetch import Reach
from dahlia.http.origins import Origins
from dahlia.serving.bentoml_support import chosen_host, default_host, say_what_is_open, say_who_may_ask


@pytest.mark.parametrize(
    ("origins", "reach", "has_key", "said"),
    [
        ("loopback", "public", False, [(logging.INFO, "(DAHLIA_ORIGINS): loopback.")]),
        ("*", "off", False, [(logging.WARNING, "(DAHLIA_ORIGINS): *.")]),
        ("*", "public", True, []),
        ("*", "any", True, [(logging.WARNING, "fetched from all addresses")]),
    ],
)
def test_what_is_open(
    origins: str, reach: Reach, has_key: bool, said: list[tuple[int, str]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="bentoml.dahlia"):
        say_what_is_open(Origins.read(origins), reach, has_key=has_key)
    assert [record.levelno for record in caplog.records] == [level for level, _ in said]
    for _, words in said:
        assert words in caplog.text


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({}, "127.0.0.1"),
        ({"BENTOML_CONTAINERIZED": ""}, "127.0.0.1"),
        ({"BENTOML_CONTAINERIZED": "True"}, "0.0.0.0"),
    ],
)
def test_default(environment: dict[str, str], host: str) -> None:
    assert default_host(environment) == host


@pytest.mark.parametrize(("host", "chosen"), [("0.0.0.0", "0.0.0.0"), (None, "127.0.0.1")])
def test_the_command_chooses(host: str | None, chosen: str) -> None:
    assert chosen_host("127.0.0.1") == "127.0.0.1"
    context = click.Context(click.Command("serve"))
    context.params["host"] = host
    with context:
        assert chosen_host("127.0.0.1") == chosen


@pytest.mark.parametrize(
    ("host", "has_key", "level", "words"),
    [
        ("127.0.0.1", False, logging.INFO, "every program of this machine"),
        ("::1", False, logging.INFO, "every program of this machine"),
        ("0.0.0.0", False, logging.WARNING, "open: it listens on 0.0.0.0"),
        ("::", False, logging.WARNING, "anyone who reaches the port may predict"),
        ("10.0.0.7", False, logging.WARNING, "Set the key"),
        ("0.0.0.0", True, 0, ""),
    ],
)
def test_words(host: str, has_key: bool, level: int, words: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="bentoml.dahlia"):
        say_who_may_ask(host, has_key=has_key)
    assert [record.levelno for record in caplog.records] == ([level] if level else [])
    assert words in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "listens", "first"),
    [
        ({}, "127.0.0.1", "every program of this machine may predict"),
        ({"BENTOML_CONTAINERIZED": "True"}, "0.0.0.0", "The service is open: it listens on 0.0.0.0"),
    ],
)
def test_a_service_that_is_started_without_an_address(
    tmp_path: Path, environment: dict[str, str], listens: str, first: str
) -> None:
    root = make_project(tmp_path / "project", {"Iteration 1": 1}).root
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bare = {name: value for name, value in os.environ.items() if name != "BENTOML_HOST"}
    bare |= {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(tmp_path), "DAHLIA_WORKERS": "1"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [str(Path(sys.executable).parent / "bentoml"), "serve", SERVICE, "--port", str(port)]
        service = subprocess.Popen(command, cwd=root, env=bare | environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while "Starting production HTTP BentoServer" not in log.read_text():
            assert time.monotonic() < deadline
            assert service.poll() is None, log.read_text()
            time.sleep(0.05)
        # All of 127.0.0.0/8 is this machine: only who listens everywhere is reached at its other addresses.
        with socket.socket() as other:
            reached = other.connect_ex(("127.0.0.2", port)) == 0
    finally:
        service.send_signal(signal.SIGTERM)
        try:
            service.wait(30)
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()
    assert reached == (listens == "0.0.0.0")
    said = re.split(r"Starting production", log.read_text())[0]
    assert first in said
