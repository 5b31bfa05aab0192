"""Files that BentoML brings, for those that do not import it, and files that a Bento carries."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import dahlia

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "bundled", "template")  # for training and new projects


def static_files() -> Path | None:
    """The folder of Swagger UI's files, found without the seconds that importing BentoML takes.

    A test says when a version moves them.

    Returns:
        None where BentoML is not installed.
    """
    found = importlib.util.find_spec("bentoml")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "_internal" / "server" / "static_content"


def copy_package(target: Path) -> None:
    """Copy the installed package to `target/dahlia`, without backbone weights and the project template.

    A Bento must answer where Dahlia is not installed, and a project folder holds no code.
    """
    shutil.copytree(Path(dahlia.__file__).parent, target / "dahlia", ignore=_LEFT_OUT, dirs_exist_ok=True)
