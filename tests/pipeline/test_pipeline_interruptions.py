"""`kill -9` and Ctrl-C in the middle: the next `dvc repro` goes on, and ends where it would have ended."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from pipeline_projects import STAGES, Finished, Project, succeeded

pytestmark = pytest.mark.slow

WITHIN = {"train": 4.0, "evaluate": 1.5, "export": 2.5, "track": 1.0}  # seconds
AT_ONCE = 0.2  # seconds; of the other stages, which are forked: starting would take most of their time
OUTPUTS = ("exports", "models/bundle", "reports/plots")


@pytest.mark.parametrize("seed", [0])
def test_killed_at_every_stage(finished: Project, planted: Project, tmp_path: Path, seed: int) -> None:
    """One project, killed once in each stage."""
    warm = planted.copy(tmp_path)
    project = warm.cold
    rng = random.Random(seed)
    for stage in STAGES:
        begun = project if stage in WITHIN else warm
        killed = _stopped(begun, stage, rng.random() * WITHIN.get(stage, AT_ONCE), signal.SIGKILL)
        may_have_ended = stage == STAGES[-1]
        assert killed.code == -signal.SIGKILL or may_have_ended, killed.output
    succeeded(warm.dvc("repro"))
    assert project.evaluation == finished.evaluation
    assert "up to date" in succeeded(project.dvc("repro")).output
    for folder in OUTPUTS:
        names = {path.name for path in (project.root / folder).rglob("*")}
        assert names == {path.name for path in (finished.root / folder).rglob("*")}
    assert _iterations(project) == 1
    assert len(list((project.root / "mlartifacts").rglob("artifacts"))) == 2  # of the run, and of its model


def test_killed_while_the_store_is_made(project: Project) -> None:
    """MLflow makes its tables one by one, and cannot open a database in which some are missing."""
    project = project.cold
    complete = _store_size(project)
    (project.root / "mlflow.db").unlink()
    shutil.rmtree(project.root / "mlartifacts")
    process = subprocess.Popen(
        [sys.executable, "-m", "dahlia", "stage", "track"], cwd=project.root, env=project.environment
    )
    while _store_size(project) < complete / 2:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    succeeded(project.dvc("repro", "--force", "--single-item", "track"))
    assert _iterations(project) == 1


@pytest.mark.parametrize(
    ("changed", "stage", "seconds"),
    [("domain=food_compact", "train", 1.5), ("export.verification_images=8", "track", 0.6)],
)
def test_interrupted(project: Project, changed: str, stage: str, seconds: float) -> None:
    succeeded(project.dahlia("params", changed))
    project = project.cold
    done = _stopped(project, stage, seconds, signal.SIGINT)
    assert done.code not in (0, -signal.SIGINT)
    assert "Interrupted. What was finished is kept; run the same command again." in done.output
    # DVC says how its shell ended: bash gives way to the stage, dash ends by the same signal itself.
    assert re.search(rf"python -m dahlia stage {stage}, exited with (130|-2)\b", done.output)
    assert "Traceback" not in done.output
    again = succeeded(project.dvc("repro"))
    assert again.ran == list(STAGES[STAGES.index(stage) :])
    assert _iterations(project) == 2


def _stopped(project: Project, stage: str, seconds: float, how: signal.Signals) -> Finished:
    """Start `dvc repro`; send the signal to its whole group so many seconds after the stage has begun."""
    process = project.start("repro")
    try:
        output = _read_until(process, stage)
        time.sleep(seconds)
        os.killpg(process.pid, how)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    if how == signal.SIGKILL:
        _delete_what_was_cut_off(project)
    return Finished(process.returncode, output + rest)


def _delete_what_was_cut_off(project: Project) -> None:
    """DVC rewrites two files in place; one that was cut off has to be deleted, as its message suggests."""
    lock = project.root / ".dvc" / "tmp" / "rwlock"
    if lock.exists() and not lock.read_bytes():
        refused = project.dvc("repro", "--dry")
        assert "Unable to read RWLock-file '.dvc/tmp/rwlock'" in refused.output
        lock.unlink()
    results = project.root / "dvc.lock"
    if results.exists() and not results.read_bytes():
        refused = project.dvc("repro", "--dry")
        assert "'./dvc.lock' validation failed" in refused.output
        results.unlink()  # what has run comes from the cache


def _read_until(process: subprocess.Popen[str], stage: str) -> str:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        begun = re.match(r"Running stage '(\w+)'", line)
        if begun and STAGES.index(begun[1]) >= STAGES.index(stage):  # the one before may have ended in time
            return "".join(lines)
    raise AssertionError(f"{stage} did not begin:\n{''.join(lines)}")


def _store_size(project: Project) -> int:
    """Bytes of the database, under its own name or that under which it is made."""
    files = (path for path in project.root.glob("*mlflow.db*") if not path.name.endswith("-journal"))
    return sum(path.stat().st_size for path in files)


def _iterations(project: Project) -> int:
    with closing(sqlite3.connect(project.root / "mlflow.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM model_versions").fetchone()[0])
