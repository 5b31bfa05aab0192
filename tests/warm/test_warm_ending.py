"""Any of client, supervision, command and warm process ends: nothing is left running, nothing hangs."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from warm_helpers import PATIENCE, Clients, eventually, is_running, parent

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


class Waiting:
    """A client whose command waits, with a child of its own."""

    def __init__(self, clients: Clients, folder: Path, *arguments: str, **options: object) -> None:
        self.folder = folder
        self.client = clients.start("wait", str(folder), *arguments, **options)
        assert eventually((folder / "ids").exists)
        self.command, self.child = map(int, (folder / "ids").read_text().split())
        self.supervision = parent(self.command)

    def end(self) -> tuple[int, str]:
        output, _ = self.client.communicate(timeout=PATIENCE)
        return self.client.returncode, output

    def nothing_is_left(self) -> bool:
        everyone = (self.client.pid, self.supervision, self.command, self.child)
        return eventually(lambda: not any(map(is_running, everyone)))


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_reaches_the_command_once(shared: Clients, tmp_path: Path, number: signal.Signals) -> None:
    waiting = Waiting(shared, tmp_path, "catch")
    waiting.client.send_signal(number)
    assert waiting.end() == (41, f"caught {number.value}\n")
    assert waiting.nothing_is_left()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_command_and_client_alike(
    shared: Clients, tmp_path: Path, number: signal.Signals
) -> None:
    waiting = Waiting(shared, tmp_path)
    waiting.client.send_signal(number)
    assert waiting.end()[0] == -number
    assert waiting.nothing_is_left()


def test_an_interrupt_of_the_group_is_one_interrupt(shared: Clients, tmp_path: Path) -> None:
    waiting = Waiting(shared, tmp_path, "catch", process_group=0)
    os.killpg(waiting.client.pid, signal.SIGINT)
    assert waiting.end() == (41, f"caught {signal.SIGINT.value}\n")


def test_what_the_client_ignores_the_command_ignores(shared: Clients, tmp_path: Path) -> None:
    waiting = Waiting(shared, tmp_path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    waiting.client.send_signal(signal.SIGHUP)
    os.kill(waiting.command, signal.SIGHUP)
    (tmp_path / "go").touch()
    assert waiting.end() == (40, "caught\n")


@pytest.mark.parametrize("group", [False, True])
def test_a_killed_client_takes_all_with_it(shared: Clients, tmp_path: Path, group: bool) -> None:
    waiting = Waiting(shared, tmp_path, process_group=0)
    (os.killpg if group else os.kill)(waiting.client.pid, signal.SIGKILL)
    assert waiting.end() == (-signal.SIGKILL, "")  # its output ends: nobody holds it any more
    assert waiting.nothing_is_left()


def test_a_killed_client_of_a_client_takes_all_with_it(shared: Clients, tmp_path: Path) -> None:
    """As DVC and its stage: a command that is forked starts one that is forked."""
    outer = shared.start("nest", "wait", str(tmp_path))
    assert eventually((tmp_path / "ids").exists)
    ids = [int(word) for word in (tmp_path / "ids").read_text().split()]
    outer.kill()
    outer.communicate(timeout=PATIENCE)
    assert eventually(lambda: not any(map(is_running, ids)))


def test_a_killed_command_is_told(shared: Clients, tmp_path: Path) -> None:
    waiting = Waiting(shared, tmp_path, stdout=subprocess.DEVNULL)
    os.kill(waiting.command, signal.SIGKILL)
    assert waiting.client.wait(PATIENCE) == -signal.SIGKILL
    os.kill(waiting.child, signal.SIGKILL)  # as without a warm process: a child outlives it


def test_a_killed_supervision_is_told(shared: Clients, tmp_path: Path) -> None:
    waiting = Waiting(shared, tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.kill(waiting.supervision, signal.SIGKILL)
    assert waiting.client.stderr
    assert waiting.client.stderr.readline() == (
        f"The process that ran `wait {tmp_path}` was ended from outside. Run it again.\n"
    )
    assert waiting.client.wait(PATIENCE) == 1
    assert eventually(lambda: not is_running(waiting.command))
    os.kill(waiting.child, signal.SIGKILL)
    waiting.client.stderr.close()


def test_a_supervision_that_is_asked_to_end_says_how_the_command_ended(
    shared: Clients, tmp_path: Path
) -> None:
    waiting = Waiting(shared, tmp_path)
    os.kill(waiting.supervision, signal.SIGTERM)
    (tmp_path / "go").touch()
    assert waiting.end() == (40, "caught\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_commands_outlive_the_warm_process(clients: Clients, tmp_path: Path, number: signal.Signals) -> None:
    waiting = Waiting(clients, tmp_path)
    assert clients.warm.pid
    os.kill(clients.warm.pid, number)
    assert eventually(lambda: not clients.warm.alive)
    assert not clients.warm.ready
    assert clients.run("exit", "3") == (0, "by itself\n")
    (tmp_path / "go").touch()
    assert waiting.end() == (40, "caught\n")
    assert waiting.nothing_is_left()


def test_commands_outlive_a_warm_process_that_is_closed(clients: Clients, tmp_path: Path) -> None:
    waiting = Waiting(clients, tmp_path)
    clients.warm.close()
    (tmp_path / "go").touch()
    assert waiting.end() == (40, "caught\n")
