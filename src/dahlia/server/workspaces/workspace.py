"""A workspace on the disk: its paths, its Git repository, and the lock that gives it to one process alone.

The lock is held until the last process that a holder started has ended, too.

The repository has a commit per iteration, in a bundle that can be carried elsewhere. What users and machines
have configured for Git changes nothing here. The photos are not in it. The folds are, as `data/folds.csv`,
because the pipeline's next split starts from them: a copy of a workspace divides its photos as the workspace
did, and so gets the same figures.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dahlia import layout
from dahlia.errors import DahliaError, DatasetError, TrainingError
from dahlia.files import staged_directory, staged_file, write_text

# What other projects do not have; see `dahlia.layout` for the rest.
DATA = Path("data")
IMAGES = DATA / "images"
ANNOTATIONS = DATA / "annotations.csv"
FOLDS = DATA / "folds.csv"  # in Git, where `data/dataset/folds.parquet` is not
ARRIVING = Path(".dahlia/arriving")
DVC_NOTES = Path(".dahlia/dvc")
LOG = Path(".dahlia/pipeline.log")
BRANCH = "main"

_PATIENCE = 15.0  # a guard needs less to end the processes of a worker that was killed
_POLL = 0.05
_GIT_SECONDS = 300.0
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

_mine = threading.local()


class PipelineError(TrainingError):
    """The pipeline failed.

    Args:
        message: the reason, for the user.
        output: the last lines that the pipeline printed, for the operator.
    """

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class Cancelled(DahliaError):  # noqa: N818 (nothing went wrong)
    """The training was ended on request."""


@contextmanager
def occupied(folder: Path, patience: float = _PATIENCE) -> Iterator[int]:
    """Hold the workspace; may be entered again by the thread that holds it.

    The lock is the system's (`flock`), on a file beside the folder, and ends with the processes that have its
    descriptor: a pipeline gets it too, so that nobody enters before the last of a killed worker's processes
    is gone. (`filelock` keeps its descriptor to itself.)

    Args:
        folder: the workspace; it need not exist.
        patience: seconds to wait for another process.

    Yields:
        The descriptor of the lock.

    Raises:
        PipelineError: another process holds it.
    """
    held: dict[Path, int] = _mine.__dict__.setdefault("held", {})
    place = folder.resolve()
    if place in held:
        yield held[place]
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place.with_name(f".{place.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait(descriptor, place, time.monotonic() + patience)
        held[place] = descriptor
        yield descriptor
    finally:
        held.pop(place, None)
        os.close(descriptor)


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
            timeout=_GIT_SECONDS,
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


def _wait(descriptor: int, place: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise PipelineError(
                    f"The workspace {place.name} is in use by another process. Wait until its training has "
                    "ended, then train again."
                ) from None
            time.sleep(_POLL)
        else:
            return


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
