"""A workspace's history in Git: a commit per iteration, in a bundle that can be carried elsewhere.

The photos are not in it. The folds are, as `data/folds.csv`, because the pipeline's next split starts from
them: a copy of a workspace divides its photos as the workspace did, and so gets the same figures.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from dahlia import layout
from dahlia.errors import DatasetError
from dahlia.files import staged_directory, staged_file, write_text
from dahlia.server.workspaces.git import BRANCH, git, head, start
from dahlia.server.workspaces.occupation import occupied
from dahlia.server.workspaces.places import FOLDS, IMAGES


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


def _take_over(bundle: Path, folder: Path) -> None:
    start(folder)
    git(folder, "fetch", "--quiet", "--no-tags", str(bundle.resolve()), BRANCH)
    git(folder, "reset", "--hard", "--quiet", "FETCH_HEAD")
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    if (folder / FOLDS).exists():
        _restore_folds(folder)


def _keep_folds(folder: Path) -> None:
    from dahlia.dataset.folds import load_folds

    if not (folder / layout.FOLDS).exists():
        return
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("id", "fold"))
    writer.writerows(sorted(load_folds(folder / layout.FOLDS).items()))
    write_text(folder / FOLDS, buffer.getvalue())


def _restore_folds(folder: Path) -> None:
    from dahlia.dataset.folds import save_folds

    with (folder / FOLDS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    try:
        folds = {name: int(fold) for name, fold in rows[1:]}
    except ValueError:
        raise DatasetError(
            f"{FOLDS} was expected to have the columns id,fold, and does not. Restore it from Git."
        ) from None
    save_folds(folder / layout.FOLDS, folds)
