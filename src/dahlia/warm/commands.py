"""What may be asked of a warm process: `dahlia`, `dvc`, and an export of the server."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping

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
