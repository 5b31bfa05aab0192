"""The warm process: it imports, says so, and forks on request, until its starter is gone."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dahlia.warm.likeness import changes, likeness, unlike, unlike_variable
from dahlia.warm.preparation import prepare
from dahlia.warm.supervision import become, supervise
from dahlia.warm.wire import Request

READY = b"ready\n"

_LIFELINE, _REPORT = 0, 1  # standard input, which ends with who started us, and output
_WAITING = 64  # clients, at most


def serve(path: Path, prepare: Callable[[], None] = prepare) -> None:
    """Prepare, listen on `path`, and fork for every client until standard input ends.

    `READY` is written to standard output when clients are answered. There is no socket before: nobody waits
    for the imports. The folder of `path` is the socket's own, and is removed at the end.

    Args:
        path: of the socket.
        prepare: imports; what it does must survive a fork.
    """
    own, before = likeness(), dict(os.environ)
    prepare()
    after = dict(os.environ)
    os.close(os.pidfd_open(os.getpid()))  # an old kernel cannot; better now than when there is a command

    def objection(request: Request) -> str | None:
        return unlike(request.likeness, own) or unlike_variable(request.environment, before, after)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a supervision: none becomes a zombie
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(_WAITING)
        with suppress(BrokenPipeError):  # who started us is gone, as standard input says too
            os.write(_REPORT, READY)
        forked = _listen(listener, objection)
    if forked is None:
        shutil.rmtree(path.parent, ignore_errors=True)
    else:
        become(*forked, changes(before, after))


def _listen(
    listener: socket.socket, objection: Callable[[Request], str | None]
) -> tuple[Request, list[int]] | None:
    while _LIFELINE not in select.select([listener.fileno(), _LIFELINE], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            if _fork() == 0:
                listener.close()
                return supervise(connection, objection)
    return None


def _fork() -> int:
    try:
        return os.fork()
    except OSError as error:  # no memory, or too many processes
        print(f"A command is not forked. {error}", file=sys.stderr, flush=True)
        return -1
