"""The forks of a warm process: one that watches a command, and one that is the command.

The first starts the command, passes signals on, and says how it ended.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import logging
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from dahlia.warm.protocol import (
    GO,
    NEVER_STARTED,
    OFFER,
    PATIENCE,
    Request,
    main_module,
    receive_request,
    run_program,
    send_status,
)

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


def become(request: Request, streams: list[int], additions: Mapping[str, str]) -> NoReturn:
    """Be the process that the client would have been, to its end.

    Args:
        request: what the client asked for.
        streams: descriptors of its standard input, output and error; they are closed.
        additions: variables that imports have set, as they would have there.
    """
    _take_streams(streams)
    _take_place(request)
    _take_signals(request.ignored)
    _forget_chance()
    if request.program == "dvc":
        _open_dvc_output()
    else:
        os.environ.update(additions)
    sys.argv, sys.executable = request.arguments, request.executable
    sys.modules["__main__"] = importlib.import_module(main_module(request.program))
    _finish(_run(request.program))


def _take_streams(streams: list[int]) -> None:
    for standard, received in enumerate(streams):
        os.dup2(received, standard)
        os.close(received)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]


def _take_place(request: Request) -> None:
    os.chdir(request.folder)
    os.umask(request.umask)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    tempfile.tempdir = None
    if not sys.flags.safe_path:
        sys.path[0] = request.folder  # as `python -m` has it


def _take_signals(ignored: list[int]) -> None:
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def _forget_chance() -> None:
    # Python seeds `random` again after a fork. These two would give all forks the same numbers.
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()


def _open_dvc_output() -> None:
    # DVC asked when it was imported whether it writes to a terminal.
    from dvc import logger

    for name in ("dvc", "dvc_objects", "dvc_data"):
        logging.getLogger(name).handlers.clear()
    logger.setup()


def _run(program: str) -> int:
    try:
        code = run_program(program)
    except SystemExit as ended:
        code = ended.code
    if isinstance(code, str):
        print(code, file=sys.stderr)
        return 1
    return code or 0


def _finish(code: int) -> NoReturn:
    # What an interpreter does at its end, but for taking modules apart: with so many that takes half a
    # second, and copies the memory that is shared.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 120  # as an interpreter does
    os._exit(code & 0xFF)
