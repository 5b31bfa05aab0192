"""A workspace's Git repository: a commit per iteration, in a bundle that can be carried elsewhere.

What users and machines have configured for Git changes nothing here. The photos are not in the repository.
The folds are, as `data/folds.csv`, because the pipeline's next split starts from them: a copy of a workspace
divides its photos as the workspace did, and so gets the same figures.
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dahlia import layout
from dahlia.errors import DatasetError
from dahlia.files import staged_directory, staged_file, write_text
from dahlia.server.workspaces.workspace import FOLDS, IMAGES, PipelineError, occupied

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


def commit(folder: Path, message: str) -> str:
    """Commit what is in the workspace, its folds included, if anything has changed.

    Returns:
        The revision, that of the last commit where nothing has.

    Raises:
        PipelineError: Git failed.
    """
    with occupied(folder):
        start(folder)
        _keep_folds(folder)
        git(folder, "add", "--all")
        if head(folder) is None or git(folder, "diff", "--cached", "--name-only"):
            git(folder, "commit", "--quiet", "--allow-empty-message", "--file=-", text=message)
        return git(folder, "rev-parse", "HEAD")


def save_history(folder: Path, target: Path) -> None:
    """Write the workspace's commits into one file, a `git bundle`.

    Raises:
        PipelineError: Git failed, or there is no commit yet.
    """
    with occupied(folder), staged_file(target) as staged:
        git(folder, "repack", "-a", "-d", "--quiet")  # else every version of a table is a file of its own
        git(folder, "bundle", "create", "--quiet", str(staged.resolve()), "HEAD", BRANCH)


def restore_history(bundle: Path, folder: Path) -> None:
    """Bring a workspace to the last commit of a bundle.

    A folder that does not exist is made. In one that does, as on a worker that missed some iterations, photos
    and caches stay. `lay_out` then brings the photos; without it, `dvc repro` wants them in `data/images`.

    Raises:
        PipelineError: the file is no bundle, or Git failed.
    """
    with occupied(folder):
        if folder.exists():
            _take_over(bundle, folder)
        else:
            with staged_directory(folder) as staged:
                _take_over(bundle, staged)


def recall_folds(folder: Path) -> None:
    """Give the pipeline the folds that are in the history, where it has none of its own.

    Raises:
        DatasetError: the table cannot be read.
    """
    if (folder / FOLDS).exists() and not (folder / layout.FOLDS).exists():
        _restore_folds(folder)


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


def _take_over(bundle: Path, folder: Path) -> None:
    start(folder)
    git(folder, "fetch", "--quiet", "--no-tags", str(bundle.resolve()), BRANCH)
    git(folder, "reset", "--hard", "--quiet", "FETCH_HEAD")
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    if (folder / FOLDS).exists():
        _restore_folds(folder)


def _keep_folds(folder: Path) -> None:
    from dahlia.dataset.manifest import load_folds

    if not (folder / layout.FOLDS).exists():
        return
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("id", "fold"))
    writer.writerows(sorted(load_folds(folder / layout.FOLDS).items()))
    write_text(folder / FOLDS, buffer.getvalue())


def _restore_folds(folder: Path) -> None:
    from dahlia.dataset.manifest import save_folds

    with (folder / FOLDS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    try:
        folds = {name: int(fold) for name, fold in rows[1:]}
    except ValueError:
        raise DatasetError(
            f"{FOLDS} was expected to have the columns id,fold, and does not. Restore it from Git."
        ) from None
    save_folds(folder / layout.FOLDS, folds)
