"""The code that a Bento carries beside the published models.

A Bento must answer where Dahlia is not installed, and a project folder holds no code. So it is the
installed package that goes into the Bento, whatever folder that is built in.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import dahlia

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "bundled", "template")  # for training and new projects


def copy_package(target: Path) -> None:
    """Copy the installed package to `target/dahlia`, without backbone weights and the project template."""
    shutil.copytree(Path(dahlia.__file__).parent, target / "dahlia", ignore=_LEFT_OUT, dirs_exist_ok=True)
