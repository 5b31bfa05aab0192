"""What processes that tests start need to import."""

from __future__ import annotations

import os
from pathlib import Path


def python_path(*places: Path) -> str:
    """`PYTHONPATH` of a child process: these places, then what this process has."""
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([*map(str, places), *([inherited] if inherited else [])])
