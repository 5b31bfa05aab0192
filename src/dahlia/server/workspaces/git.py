"""Git in a workspace, untouched by what users and machines have configured."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dahlia.server.workspaces.errors import PipelineError

BRANCH = "main"

_SECONDS = 300.0
_WHO = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "Dahlia"), ("EMAIL", "dahlia@localhost"))
}
_ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
# Work survives a power cut; nothing is tidied up in the background of a training.
_SETTINGS = tuple(
    part
    for setting in ("core.fsync=committed", "gc.auto=0", "core.autocrlf=false", "safe.directory=*")
    for part in ("-c", setting)
)


def git(folder: Path, *arguments: str, text: str = "") -> str:
    """Run Git in a folder and return what it printed.

    Args:
        folder: where.
        arguments: of `git`.
        text: what it reads from its standard input.

    Raises:
        PipelineError: it failed or is not installed.
    """
    try:
        done = subprocess.run(
            ["git", *_SETTINGS, "-C", str(folder), *arguments],
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=without(os.environ, "GIT_") | _ALONE | _WHO,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise PipelineError(
            f"`git {arguments[0]}` failed in the workspace {folder.name}: {' '.join(said.split())}. See that "
            "Git is installed and that the disk has space, then train again."
        ) from error
    return done.stdout.strip()


def start(folder: Path) -> None:
    """A repository in the folder; one that is incomplete or locked is repaired."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git" / "HEAD").is_file():
        git(folder, "init", "--quiet", f"--initial-branch={BRANCH}")
    for lock in (folder / ".git").rglob("*.lock"):  # of a process that was killed: the workspace is ours
        lock.unlink(missing_ok=True)


def head(folder: Path) -> str | None:
    """The commit that the workspace is at; None before the first, and where there is no workspace."""
    if not (folder / ".git").is_dir():
        return None
    return git(folder, "for-each-ref", "--format=%(objectname)", f"refs/heads/{BRANCH}") or None


def without(environment: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    """The variables whose names begin otherwise."""
    return {name: value for name, value in environment.items() if not name.startswith(prefixes)}
