"""Between client and command: a process that starts the command, passes signals on, and says how it ended."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

from dahlia.warm.wire import GO, NEVER_STARTED, OFFER, PATIENCE, Request, receive_request, send_status

_PR_SET_PDEATHSIG = 1
_C_LIBRARY = ctypes.CDLL(None)


def supervise(
    connection: socket.socket, objection: Callable[[Request], str | None]
) -> tuple[Request, list[int]]:
    """Answer a client, and never return; but return in the process that is forked to be the command.

    The command has a process group of its own. The group is killed when the client is gone, the command when
    this process is.

    Args:
        connection: to the client.
        objection: why the client has to run this command itself; None where it need not.
    """
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        request, streams = _agree(connection, objection)
        command = _fork(connection)
        if command == 0:
            connection.close()
            return request, streams
        for stream in streams:
            os.close(stream)
        _watch(connection, command)
    except OSError:
        os._exit(1)  # the client has left


def _agree(
    connection: socket.socket, objection: Callable[[Request], str | None]
) -> tuple[Request, list[int]]:
    connection.settimeout(PATIENCE)
    request, streams = receive_request(connection)
    if reason := objection(request):
        print(f"A command is not forked, because it would differ. {reason}", file=sys.stderr, flush=True)
        os._exit(0)
    connection.sendall(OFFER)
    if connection.recv(1) != GO:
        os._exit(0)
    connection.settimeout(None)
    return request, streams


def _fork(connection: socket.socket) -> int:
    supervisor = os.getpid()
    try:
        command = os.fork()
    except OSError:
        send_status(connection, NEVER_STARTED)
        raise
    os.setpgid(command, command)  # in both processes: either may come first; 0 is oneself
    if command == 0:
        _C_LIBRARY.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)
    return command


def _watch(connection: socket.socket, command: int) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # who ends everything ends the command: we say how it ended
    ended = os.pidfd_open(command)
    while ended not in (ready := select.select([connection.fileno(), ended], [], [])[0]):
        if connection.fileno() in ready:
            _pass_on(_signals(connection), command)
    send_status(connection, os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]))
    os._exit(0)


def _signals(connection: socket.socket) -> bytes:
    try:
        return connection.recv(64)
    except OSError:
        return b""


def _pass_on(signals: bytes, command: int) -> None:
    for number in signals or [signal.SIGKILL]:
        os.killpg(command, number)
    if not signals:
        os.waitpid(command, 0)
        os._exit(1)
