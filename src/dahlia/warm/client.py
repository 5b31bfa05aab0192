"""The client: it hands a command over to the warm process, passes signals on, and ends as the command ends.

Every stage waits for these imports, so there are few.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterable
from types import FrameType

from dahlia.warm.protocol import (
    GO,
    NEVER_STARTED,
    OFFER,
    PATIENCE,
    VARIABLE,
    Request,
    likeness,
    receive_status,
    send_request,
)

LOST = 1  # the exit code where nobody is left to say how the command ended

_PASSED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}


def hand_over(program: str) -> None:
    """Let the warm process run a program (`dahlia.warm.protocol`) on `sys.argv`, and exit as it does.

    Returns only where no warm process can: then the caller runs the command. The forked process has this
    one's standard streams, and so writes to them itself.
    """
    path = os.environ.get(VARIABLE)
    if not path or sys.platform != "linux":
        return
    # A signal that comes while the two agree waits until it is clear whose it is.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    connection = _agree(path, program)
    if connection is None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return
    status = _follow(connection, mask)
    if status != NEVER_STARTED:
        _end(status)


def _agree(path: str, program: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    try:
        if os.stat(path).st_uid == os.geteuid():  # noqa: PTH116
            connection.connect(path)
            send_request(connection, _request(program))
            if connection.recv(1) == OFFER:
                connection.sendall(GO)
                connection.settimeout(None)
                return connection
    except OSError:
        pass
    connection.close()
    return None


def _request(program: str) -> Request:
    umask = os.umask(0o077)
    os.umask(umask)
    return Request(
        program=program,
        arguments=sys.argv,
        executable=sys.executable,
        folder=os.getcwd(),  # noqa: PTH109
        umask=umask,
        ignored=[number for number in _PASSED_ON if signal.getsignal(number) is signal.SIG_IGN],
        environment=dict(os.environ),
        likeness=likeness(),
    )


def _follow(connection: socket.socket, mask: Iterable[int]) -> int:
    def pass_on(number: int, _: FrameType | None) -> None:
        connection.sendall(bytes([number]))

    handlers = {number: signal.getsignal(number) for number in _PASSED_ON}
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        return receive_status(connection)
    except OSError:
        print(
            f"The process that ran `{' '.join(sys.argv[1:])}` was ended from outside. Run it again.",
            file=sys.stderr,
        )
        return LOST
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        connection.close()


def _end(status: int) -> None:
    if status < 0:
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
