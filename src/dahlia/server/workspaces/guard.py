"""Runs a command, and ends its whole process group when standard input ends.

A worker holds the other end of the pipe: when it is killed, so is what it started. Run as a script, in a
session of its own, with the standard library alone: it starts in 15 ms.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE = 3.0  # seconds between asking and killing
SETTLING = (
    0.2  # what was forked from a warm process ends a moment after its client, and is in no group of ours
)


def guard_command(niceness: int = 0) -> list[str]:
    """The command of a guard, in a session of its own; the guarded command is added to it.

    Args:
        niceness: 0 to 19, by which both leave the processors to others.
    """
    return [sys.executable, "-I", "-S", __file__, str(niceness)]


def main(niceness: int, command: list[str]) -> int:
    """Run the command; its exit status. Killed with its group where standard input ends first."""
    _yield(niceness)
    # A handler rather than SIG_IGN, which the command would inherit.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    ending = threading.Event()
    watch = threading.Thread(target=_watch, args=(child, ending), daemon=True)
    watch.start()
    code = child.wait()
    if ending.is_set():
        watch.join()
    return code if code >= 0 else 128 - code


def _yield(niceness: int) -> None:
    if niceness:
        os.nice(niceness)
        # Linux weighs whole sessions against each other where it is set so, and processes within one only.
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as session:  # noqa: PTH123
            session.write(str(niceness))


def _watch(child: subprocess.Popen[bytes], ending: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    ending.set()
    os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    time.sleep(SETTLING)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
