"""Files that BentoML brings, for those that do not import it, and files that a Bento carries."""

from __future__ import annotations

import importlib.util
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import dahlia

_ADDED = "pydantic-settings"
"""What the code needs, and the `bentofile.yaml` of projects of earlier versions does not list."""

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


def missing_requirements(requirements: str) -> str:
    """What a Bento must install besides what the project's `bentofile.yaml` lists, as lines of requirements.

    Args:
        requirements: those listed, one in a line.
    """
    name = re.compile(rf"^\s*{_ADDED.replace('-', '[-_.]+')}(?![\w.-])", re.IGNORECASE | re.MULTILINE)
    return "" if name.search(requirements) else f"{_ADDED}=={version(_ADDED)}\n"
