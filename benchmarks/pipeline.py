"""`dvc repro` of the garden: from nothing, with nothing changed, with ten more images, with another export.

    python benchmarks/pipeline.py --runs 3

Every run is a new copy of the project, with clean caches. Seconds are those of the whole command, the median
of the runs; a stage's are from its beginning to the next one's, so they hold its start and DVC's hashing too.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from dahlia.project import create_project
from dahlia_samples import generate_garden

FIRST, UNCHANGED, MORE, EXPORT = "from nothing", "nothing changed", "ten more images", "another export"
ADDED = 10
TARGET_FIRST, TARGET_UNCHANGED, TARGET_SHARE = 60.0, 2.0, 0.5


@dataclass(frozen=True)
class Timing:
    """Seconds of one `dvc repro`, and of each stage that it ran, in their order."""

    total: float
    stages: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--images-per-tag", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = draw(folder, options.images_per_tag)
        runs = [measured(folder, number) for number in range(options.runs)]
    console = Console()
    console.print(table_of(runs))
    first, unchanged, more = (median(run[name].total for run in runs) for name in (FIRST, UNCHANGED, MORE))
    console.print(
        f"{3 * options.images_per_tag} images, drawn in {drawn:.1f} s; {os.cpu_count()} cores. "
        f"Targets: first run {first:.1f} s of {TARGET_FIRST:.0f}, nothing changed {unchanged:.2f} s of "
        f"{TARGET_UNCHANGED:.0f}, ten more images {more / first:.2f} of the first run, below {TARGET_SHARE}."
    )


def draw(folder: Path, images_per_tag: int) -> float:
    """Lay out the project and draw its photos, and more of them to add; give the project's seconds."""
    create_project(folder / "planted" / "garden")
    started = time.perf_counter()
    generate_garden(folder / "planted" / "garden" / "data" / "images", images_per_tag=images_per_tag)
    drawn = time.perf_counter() - started
    generate_garden(folder / "more", images_per_tag=-(-ADDED // 3), start=images_per_tag)
    return drawn


def measured(folder: Path, number: int) -> dict[str, Timing]:
    """The four commands, one after the other, in a new copy of the project."""
    project = folder / f"run-{number}" / "garden"
    shutil.copytree(folder / "planted" / "garden", project)
    timings = {FIRST: repro(project), UNCHANGED: repro(project)}
    for photo in sorted((folder / "more").rglob("*.jpg"))[:ADDED]:
        shutil.copy(photo, project / "data" / "images" / photo.parent.name)
    timings[MORE] = repro(project)
    call(project, "dahlia", "params", "export.verification_images=32")
    timings[EXPORT] = repro(project)
    shutil.rmtree(project.parent)
    return timings


def repro(project: Path) -> Timing:
    """Run `dvc repro`, and note when each stage begins."""
    started = time.perf_counter()
    begun: list[tuple[str, float]] = []
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=project,
        env=environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        output = []
        for line in process.stdout:
            output.append(line)
            if match := re.match(r"Running stage '(\w+)'", line):
                begun.append((match[1], time.perf_counter()))
    ended = time.perf_counter()
    if process.returncode:
        raise SystemExit("".join(output))
    marks = [*begun, ("", ended)]
    stages = {stage: end - start for (stage, start), (_, end) in pairwise(marks)}
    return Timing(ended - started, stages)


def call(project: Path, *command: str) -> None:
    """Run `python -m ...` in the project."""
    subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env=environment(project),
        check=True,
        stdout=subprocess.DEVNULL,
    )


def environment(project: Path) -> dict[str, str]:
    """Stages run as `python -m dahlia`; what DVC notes outside of the project is the copy's own."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(project.parent / "site"),
    }


def table_of(runs: Sequence[dict[str, Timing]]) -> Table:
    """A row per command: the medians of its seconds and of its stages'."""
    table = Table("dvc repro", "seconds", "stages that ran, seconds")
    for name in (FIRST, UNCHANGED, MORE, EXPORT):
        stages = {
            stage: median(run[name].stages.get(stage, 0.0) for run in runs) for stage in runs[0][name].stages
        }
        told = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in stages.items())
        table.add_row(name, f"{median(run[name].total for run in runs):.1f}", told or "none")
    return table


if __name__ == "__main__":
    main()
