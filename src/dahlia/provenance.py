"""Where the results in a project folder come from: its commit, and when each stage last ran.

Times are kept outside of all that DVC compares, for the run in MLflow. A note names the output that the
stage wrote by its digest. Where that output was replaced without running the stage, as by `dvc checkout`,
the note does not count.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from dahlia import layout
from dahlia.errors import DahliaError
from dahlia.files import sha256_of, write_json

_OUTPUTS = {
    "ingest": layout.MANIFEST,
    "validate": layout.VALIDATION,
    "split": layout.FOLDS,
    "train": layout.BUNDLE,
    "evaluate": layout.EVALUATION,
    "export": layout.EXPORTS,
}


class StageTime(BaseModel):
    """When a stage began and ended, seconds since 1970, UTC."""

    began: float
    ended: float
    output: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


@contextlib.contextmanager
def noted_time(root: Path, stage: str, item: str | None = None) -> Iterator[None]:
    """Note when the body began and ended, unless it fails.

    Args:
        root: the project folder.
        stage: of the pipeline; one whose output is not known, as `track`, is not noted.
        item: the format of an export.
    """
    began = time.time()
    yield
    if stage in _OUTPUTS:
        note = StageTime(began=began, ended=time.time(), output=_digest(root, stage, item))
        with contextlib.suppress(DahliaError):  # a run in MLflow can do without
            write_json(_note(root, stage, item), note.model_dump())


def _known(root: Path, stage: str, item: str | None) -> StageTime | None:
    try:
        found = StageTime.model_validate_json(_note(root, stage, item).read_bytes())
    except (OSError, ValueError):
        return None
    return found if found.output == _digest(root, stage, item) else None


def stage_times(root: Path, formats: Sequence[str]) -> dict[str, StageTime]:
    """When the stages wrote the outputs that are there, where known; exports as `export/<format>`."""
    stages = [(stage, None) for stage in _OUTPUTS if stage != "export"]
    known = {
        "/".join(filter(None, (stage, item))): _known(root, stage, item)
        for stage, item in [*stages, *(("export", name) for name in formats)]
    }
    return {name: found for name, found in known.items() if found}


def _note(root: Path, stage: str, item: str | None) -> Path:
    return root / layout.STAGE_TIMES / f"{'-'.join(filter(None, (stage, item)))}.json"


def _digest(root: Path, stage: str, item: str | None) -> str:
    output = root / _OUTPUTS[stage] / (item or "")
    files = sorted(output.rglob("*")) if output.is_dir() else [output]
    digest = hashlib.sha256()
    for path in files:
        if path.is_file():
            digest.update(f"{path.relative_to(root).as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


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
