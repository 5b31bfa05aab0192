"""`kill -9` and Ctrl-C in the middle: the next `dvc repro` goes on, and ends where it would have ended."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from pipeline_projects import STAGES, Finished, Project, succeeded

pytestmark = pytest.mark.slow

WITHIN = {"train": 5.0, "evaluate": 3.0, "export": 4.0, "track": 3.0}  # seconds that a stage may take
OUTPUTS = ("exports", "models/bundle", "reports/plots")


@pytest.mark.parametrize("seed", [0])
def test_killed_at_every_stage(finished: Project, planted: Project, tmp_path: Path, seed: int) -> None:
    """One project, killed once in each stage."""
    project = planted.copy(tmp_path)
    rng = random.Random(seed)
    for stage in STAGES:
        killed = _stopped(project, stage, rng.random() * WITHIN.get(stage, 1.2), signal.SIGKILL)
        assert killed.code == -signal.SIGKILL, killed.output
    succeeded(project.dvc("repro"))
    assert project.evaluation == finished.evaluation
    assert "up to date" in succeeded(project.dvc("repro")).output
    for folder in OUTPUTS:
        names = {path.name for path in (project.root / folder).rglob("*")}
        assert names == {path.name for path in (finished.root / folder).rglob("*")}
    assert _iterations(project) == 1
    assert len(list((project.root / "mlartifacts").iterdir())) == 1


@pytest.mark.parametrize(("stage", "seconds"), [("export", 1.5), ("track", 1.0)])
def test_interrupted(project: Project, stage: str, seconds: float) -> None:
    succeeded(project.dahlia("params", "export.verification_images=8"))
    done = _stopped(project, stage, seconds, signal.SIGINT)
    assert done.code not in (0, -signal.SIGINT)
    assert "Interrupted. What was finished is kept; run the same command again." in done.output
    assert f"python -m dahlia stage {stage}, exited with 130" in done.output
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
    return Finished(process.returncode, output + rest)


def _read_until(process: subprocess.Popen[str], stage: str) -> str:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        begun = re.match(r"Running stage '(\w+)'", line)
        if begun and STAGES.index(begun[1]) >= STAGES.index(stage):  # the one before may have ended in time
            return "".join(lines)
    raise AssertionError(f"{stage} did not begin:\n{''.join(lines)}")


def _iterations(project: Project) -> int:
    with closing(sqlite3.connect(project.root / "mlflow.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM model_versions").fetchone()[0])
