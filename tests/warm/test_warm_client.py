"""A command that is forked looks from outside like one that was started."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from warm_helpers import CLIENT, Clients, children, eventually, started

from dahlia.warm.process import WarmProcess


def test_the_command_has_what_its_client_was_given(shared: Clients, tmp_path: Path) -> None:
    variables = shared.environment | {"GIVEN": "a\nb \udc80", "TMPDIR": str(tmp_path), "TZ": "Asia/Tokyo"}
    code, output = shared.run("describe", "ä", "", cwd=tmp_path, env=variables, umask=0o027)
    found = json.loads(output)
    assert code == 0
    assert found["arguments"] == ["actor", "describe", "ä", ""]
    assert found["folder"] == found["path"] == found["temporary"] == str(tmp_path)
    assert found["umask"] == 0o027
    assert found["environment"] == variables
    assert found["main"] == "actor.__main__"
    assert found["descriptors"] == [0, 1, 2]
    assert found["leads"]
    assert found["buffered"]


@pytest.mark.parametrize(
    ("arguments", "code", "output"),
    [
        (("exit", "0"), 0, ""),
        (("exit", "3"), 3, ""),
        (("exit", "256"), 0, ""),
        (("say", "No such thing."), 1, "No such thing.\n"),
        (("last_words",), 0, "main thread\nat exit\n"),
        (("end_by", str(signal.SIGTERM.value)), -signal.SIGTERM, ""),
        (("end_by", str(signal.SIGABRT.value)), -signal.SIGABRT, ""),
        (("end_by", str(signal.SIGKILL.value)), -signal.SIGKILL, ""),
    ],
)
def test_the_client_ends_as_the_command(
    shared: Clients, arguments: tuple[str, ...], code: int, output: str
) -> None:
    assert shared.run(*arguments) == (code, output)


def test_a_failure_is_told(shared: Clients) -> None:
    code, output = shared.run("fail")
    assert code == 1
    assert output.endswith("ValueError: on purpose\n")


def test_it_reads_what_the_client_is_given_to_read(shared: Clients) -> None:
    process = shared.start("echo", stdin=subprocess.PIPE)
    assert process.communicate("one\ntwo\n", timeout=20)[0] == "ONE\nTWO\n"


def test_output_and_errors_keep_their_order(shared: Clients) -> None:
    assert shared.run("alternate", "50") == (0, "".join(f"out {n}\nerr {n}\n" for n in range(50)))


def test_a_terminal_is_written_to_line_by_line(shared: Clients) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb") as terminal:
        process = shared.start("describe", stdout=theirs)
        os.close(theirs)
        found = json.loads(terminal.readline())
        assert process.wait(20) == 0
    assert not found["buffered"]


def test_nothing_stays_between_commands(shared: Clients) -> None:
    assert [shared.run("remember", what) for what in ("one", "two")] == [(0, "\n"), (0, "\n")]


def test_chance_differs(shared: Clients) -> None:
    assert shared.run("chance") != shared.run("chance")


def test_many_at_a_time(shared: Clients) -> None:
    processes = [shared.start("exit", str(number), stdout=subprocess.DEVNULL) for number in range(12)]
    assert [process.wait(20) for process in processes] == list(range(12))


def test_no_zombie_is_left(shared: Clients) -> None:
    assert shared.warm.pid
    for _ in range(3):
        shared.run("exit", "0")
    assert eventually(lambda: children(shared.warm.pid or 0) == [])


def test_dahlia_is_a_client(shared: Clients) -> None:
    code, output = shared.run("--version", command=("-m", "dahlia"))
    assert (code, output.startswith("dahlia, version ")) == (0, True)
    assert shared.run("--help", command=("-m", "dahlia"))[1].startswith("Usage: python -m dahlia ")
    code, output = shared.run("stag", command=("-m", "dahlia"))
    assert code == 2
    assert output.startswith("Error: unknown command `stag`; ")


def test_dvc_is_a_client(shared: Clients) -> None:
    code, output = shared.run("root", command=("-m", "dahlia.warm", "dvc"), cwd="/")
    assert code == 253
    assert "not inside of a DVC repository" in output


class TestByItself:
    """The client runs the command where no warm process does as it would."""

    def test_nothing_is_there(self, tmp_path: Path) -> None:
        clients = Clients(WarmProcess(tmp_path / "socket", None))
        assert clients.run("exit", "3") == (0, "by itself\n")

    def test_nobody_listens(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "socket"))
        assert Clients(WarmProcess(tmp_path / "socket", None)).run("exit", "3") == (0, "by itself\n")

    def test_not_ready(self, tmp_path: Path) -> None:
        script = "import sys; sys.stdin.read()"
        with started(tmp_path, script) as warm:
            assert not warm.ready
            assert Clients(warm).run("exit", "3") == (0, "by itself\n")

    @pytest.mark.parametrize("answer", [b"", b"?"])
    def test_who_listens_does_not_offer(self, tmp_path: Path, answer: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "socket"))
            listener.listen()
            process = Clients(WarmProcess(tmp_path / "socket", None)).start("exit", "3")
            connection, _ = listener.accept()
            connection.sendall(answer)
            connection.close()
            assert process.communicate(timeout=20)[0] == "by itself\n"

    def test_it_has_ended(self, clients: Clients) -> None:
        clients.warm.close()
        assert clients.run("exit", "3") == (0, "by itself\n")

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"env": {"PYTHONHASHSEED": "1"}}, "PYTHONHASHSEED: '1' there, None here."),
            ({"env": {"OMP_THREAD_LIMIT": "1"}}, "OMP_THREAD_LIMIT: '1' there, None here."),
            ({"preexec_fn": lambda: os.nice(1)}, f"the priority: {os.nice(0) + 1} there, {os.nice(0)} here."),
            ({"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))}, "the limits: "),
            ({"command": ("-W", "error", "-c", CLIENT)}, "Python's options: ['error'] there, [] here."),
            ({"command": ("-O", "-c", CLIENT)}, "Python: "),
        ],
    )
    def test_it_would_differ(
        self, clients: Clients, tmp_path: Path, change: dict[str, object], reason: str
    ) -> None:
        if "env" in change:
            change = {"env": clients.environment | change["env"]}  # type: ignore[operator]
        assert clients.run("exit", "3", **change) == (0, "by itself\n")
        assert reason in (tmp_path / "log").read_text()


def test_a_variable_that_imports_set_is_no_difference(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from dahlia.warm.server import serve
serve(Path(sys.argv[1]), prepare=lambda: os.environ.update(OMP_WAIT_POLICY="PASSIVE"))
"""
    with started(tmp_path, script, OMP_WAIT_POLICY="") as warm:
        assert warm.wait_until_ready(20)
        codes = {}
        for value in ("", "PASSIVE", "ACTIVE"):
            clients = Clients(warm)
            clients.environment["OMP_WAIT_POLICY"] = value
            codes[value] = clients.run("exit", "3")[0]
    assert codes == {"": 3, "PASSIVE": 3, "ACTIVE": 0}


def test_a_client_that_leaves_at_once_harms_nobody(shared: Clients) -> None:
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(shared.warm.socket))
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(shared.warm.socket))
        assert shared.run("exit", "3")[0] == 3


def test_clients_of_clients(shared: Clients) -> None:
    """What a command starts is forked too."""
    code, output = shared.run("nest", "describe")
    assert code == 0
    assert json.loads(output)["leads"]


def test_threads_may_start_clients(shared: Clients) -> None:
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(shared.run("exit", "3")[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [3] * 4
