"""What client and warm process must share for a fork to do what the client would have done.

Libraries read some variables once, when they are imported, and the interpreter reads others when it starts.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
from typing import Any

import dahlia

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
