"""What the process does that the server starts for a backup: last in line, and gone with the server."""

from __future__ import annotations

import os
import signal
import sys
import threading

import psutil  # type: ignore[import-untyped]

_NICE = 10


def attach() -> None:
    """Give way to other processes, and end when the standard input closes or SIGTERM comes.

    What was begun is cleaned up either way.
    """
    os.nice(_NICE)
    if sys.platform == "linux":
        psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, 7)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    threading.Thread(target=_follow_input, daemon=True).start()


def _follow_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
