"""Which commit the project folder is at."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git_revision(root: Path) -> tuple[str | None, bool]:
    """The commit's hash and whether tracked files differ from it; (None, False) outside Git."""
    revision = _git(root, "rev-parse", "HEAD")
    if not revision:
        return None, False
    return revision, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
