"""In the forked process: being the command that the client was started for."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from typing import NoReturn

from dahlia.warm.commands import main_module, run_program
from dahlia.warm.wire import Request


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
