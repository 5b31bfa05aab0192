"""What may be asked of a warm process: `dahlia` and `dvc`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping

VARIABLE = "DAHLIA_WARM"  # the socket of the warm process


def dvc_command(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The command that DVC's arguments are added to.

    Args:
        environment: of the process that will run it; with `DAHLIA_WARM` it goes through the warm process.
    """
    return [sys.executable, "-m", *(("dahlia.warm", "dvc") if environment.get(VARIABLE) else ("dvc",))]


def main_module(program: str) -> str:
    """The module that `python -m PROGRAM` runs; its `main()` is the program."""
    return f"{program}.__main__"


def run_program(program: str) -> int | str | None:
    """Run `dahlia` or `dvc` in this process, on `sys.argv`; returns what `sys.exit` takes."""
    code: int | str | None = importlib.import_module(main_module(program)).main()
    return code
