"""What the tests ask of a warm process: a program that says what it is, or does what it is told."""

from __future__ import annotations

import atexit
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

REMEMBERED: list[str] = []


def main() -> int | str | None:
    name, *rest = sys.argv[1:]
    result: int | str | None = globals()[f"_{name}"](*rest)
    return result


def _describe(*_: str) -> None:
    umask = os.umask(0)
    os.umask(umask)
    print(
        json.dumps(
            {
                "arguments": sys.argv,
                "folder": str(Path.cwd()),
                "path": sys.path[0],
                "umask": umask,
                "environment": dict(os.environ),
                "temporary": tempfile.gettempdir(),
                "main": sys.modules["__main__"].__name__,
                "descriptors": _descriptors(),
                "leads": os.getpgrp() == os.getpid(),
                "buffered": not sys.stdout.line_buffering,
            }
        )
    )


def _descriptors() -> list[int]:
    return [number for number in range(1000) if Path(f"/proc/self/fd/{number}").exists()]


def _exit(code: str) -> int:
    return int(code)


def _say(text: str) -> str:
    return text


def _fail() -> None:
    raise ValueError("on purpose")


def _echo() -> None:
    print(sys.stdin.read().upper(), end="")


def _alternate(times: str) -> None:
    for number in range(int(times)):
        print("out", number, flush=True)
        print("err", number, file=sys.stderr)


def _remember(what: str) -> None:
    print(*REMEMBERED, os.environ.get("REMEMBERED", ""))
    REMEMBERED.append(what)
    os.environ["REMEMBERED"] = what
    os.chdir("/")


def _end_by(number: str) -> None:
    os.kill(os.getpid(), int(number))


def _last_words() -> None:
    atexit.register(print, "at exit")
    threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
    print("main", end=" ")


def _chance() -> None:
    print(random.random())


def _nest(*arguments: str) -> int:
    """Start a client and wait for it, as DVC does."""
    from warm_helpers import CLIENT

    return subprocess.run([sys.executable, "-c", CLIENT, *arguments]).returncode


def _wait(folder: str, on_signal: str = "") -> int:
    """Start a child, write both ids, wait for a signal."""
    caught: list[int] = []
    if on_signal == "catch":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: caught.append(number))
    child = subprocess.Popen(["sleep", "60"])
    written = Path(folder, "part")
    written.write_text(f"{os.getpid()} {child.pid}")
    written.rename(Path(folder, "ids"))
    deadline = time.monotonic() + 60
    while not caught and not Path(folder, "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)  # a second one would be caught too
    child.kill()
    child.wait()
    print("caught", *caught)
    return 40 + len(caught)


if __name__ == "__main__":
    sys.exit(main())
