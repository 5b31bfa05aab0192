"""What client and warm process agree on: what they say, what they share, and what may be asked.

They say over a Unix socket:

    client       the request as JSON after its length; the standard streams' descriptors beside it
    supervision  OFFER; or the connection ends: then the client runs the command itself
    client       GO
    supervision  when the command has ended: its exit code, the negative of the signal that ended it, or
                 NEVER_STARTED
    client       meanwhile, a byte for each signal that it received

They must share what makes a fork do what the client would have done: libraries read some variables once,
when they are imported, and the interpreter reads others when it starts. Clients wait for these imports, so
there are few.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import dahlia

OFFER, GO = b"o", b"g"
NEVER_STARTED = -1000
PATIENCE = 5.0  # seconds for a step until GO

_LENGTH, _STATUS = struct.Struct("!I"), struct.Struct("!i")
_STREAMS = 3


class Request(NamedTuple):
    """A command as its client was started.

    Attributes:
        program: `dahlia`, `dvc` or `export`.
        arguments: `sys.argv`.
        executable: `sys.executable`.
        folder: the working directory.
        umask: for new files.
        ignored: numbers of the signals that are ignored.
        environment: its variables.
        likeness: what `likeness` says of its process.
    """

    program: str
    arguments: list[str]
    executable: str
    folder: str
    umask: int
    ignored: list[int]
    environment: dict[str, str]
    likeness: dict[str, Any]


def send_request(connection: socket.socket, request: Request) -> None:
    """Send a request and this process's standard streams.

    Raises:
        OSError: the connection is gone, or a stream is closed.
    """
    body = json.dumps(request).encode()
    socket.send_fds(connection, [_LENGTH.pack(len(body))], range(_STREAMS))
    connection.sendall(body)


def receive_request(connection: socket.socket) -> tuple[Request, list[int]]:
    """Receive a request and three descriptors, which are the caller's to close.

    Raises:
        OSError: the connection is gone.
    """
    length, streams, _, _ = socket.recv_fds(connection, _LENGTH.size, _STREAMS)
    if len(length) != _LENGTH.size or len(streams) != _STREAMS:
        raise ConnectionError("The client left before it had asked.")
    return Request(*json.loads(_receive(connection, _LENGTH.unpack(length)[0]))), streams


def send_status(connection: socket.socket, status: int) -> None:
    """Say how the command ended.

    Raises:
        OSError: the connection is gone.
    """
    connection.sendall(_STATUS.pack(status))


def receive_status(connection: socket.socket) -> int:
    """Wait for the end of the command.

    Raises:
        OSError: the connection is gone.
    """
    return int(_STATUS.unpack(_receive(connection, _STATUS.size))[0])


def _receive(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise ConnectionError("The connection ended within a message.")
        received += part
    return bytes(received)


_LIMITS = ("AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "STACK")
_READ_ONCE = (
    *("PYTHON", "LANG", "LC_", "LD_", "MALLOC_", "GLIBC_"),  # the interpreter and its libraries
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "JOBLIB_", "LOKY_"),  # threads
    *("TORCH", "PYTORCH_", "PT2_", "AOT", "ATEN_", "DNNL_", "ONEDNN_", "CUDA_", "TIMM_", "TRITON_"),
    *("NUMPY_", "NPY_", "SCIPY_", "SKLEARN_", "PANDAS_", "ARROW_", "SYMPY_", "MPMATH_"),  # numbers
    *("PILLOW_", "OPENCV_", "MPL", "MATPLOTLIB", "ONNX", "ORT_", "PROTOCOL_BUFFERS_"),  # images, graphs
    *("MLFLOW_", "_MLFLOW_", "OTEL_", "FSSPEC_", "PYDANTIC_", "TQDM_", "DVC_SHOW_TRACEBACK"),
    *("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "XDG_", "HOME", "SSL_CERT_"),  # the hub
    *("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"),  # one of several processes
)


def likeness() -> dict[str, Any]:
    """Of this process, in JSON's types: interpreter, package, user, limits."""
    return {
        "Python": [sys.version, sys.prefix, *sys.flags],
        "Python's options": [
            *sys.warnoptions,
            *sorted(f"{name}={sys._xoptions[name]}" for name in sys._xoptions),
        ],
        "the package": [dahlia.__version__, os.path.dirname(dahlia.__file__)],  # noqa: PTH120
        "the user": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), *sorted(os.getgroups())],
        "the limits": [list(resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))) for name in _LIMITS],
        "the priority": os.getpriority(os.PRIO_PROCESS, 0),
        "the processors": sorted(os.sched_getaffinity(0)),
    }


def is_read_once(variable: str) -> bool:
    """Whether the interpreter or a library reads this variable only when it starts."""
    return variable.startswith(_READ_ONCE)


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """The variables that were set or changed."""
    return {name: value for name, value in after.items() if before.get(name) != value}


def unlike(asked: Mapping[str, Any], own: Mapping[str, Any]) -> str | None:
    """Where two likenesses differ; None where they do not."""
    for part, value in own.items():
        if asked.get(part) != value:
            return f"{part}: {asked.get(part)} there, {value} here."
    return None


def unlike_variable(
    asked: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str]
) -> str | None:
    """Which variable a library would have read otherwise in the client; None if there is none.

    Args:
        asked: the client's variables.
        before: the warm process's when it started.
        after: its own once all was imported. Imports set some; a client that is started by a command of the
            warm process has them too.
    """
    for name in sorted({*asked, *before, *after}):
        was, now = before.get(name), after.get(name)
        if (is_read_once(name) or was != now) and asked.get(name) not in (was, now):
            return f"{name}: {asked.get(name)!r} there, {was!r} here."
    return None


VARIABLE = "DAHLIA_WARM"  # the socket of the warm process

_MODULES = {"export": "dahlia.server.jobs.export_process"}


def dvc_command(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The command that DVC's arguments are added to.

    Args:
        environment: of the process that will run it; with `DAHLIA_WARM` it goes through the warm process.
    """
    return [sys.executable, "-m", *(("dahlia.warm", "dvc") if environment.get(VARIABLE) else ("dvc",))]


def export_command() -> list[str]:
    """The command that writes and proves the zip of an export; the export's folder is added to it."""
    return [sys.executable, "-m", "dahlia.warm", "export"]


def main_module(program: str) -> str:
    """The module of a program, that of `python -m PROGRAM` or of an export; its `main()` is the program."""
    return _MODULES.get(program, f"{program}.__main__")


def run_program(program: str) -> int | str | None:
    """Run a program in this process, on `sys.argv`; returns what `sys.exit` takes."""
    code: int | str | None = importlib.import_module(main_module(program)).main()
    return code
