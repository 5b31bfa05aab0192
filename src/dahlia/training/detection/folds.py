"""The runs of a detector: one for each part of the photos that is held out, and the final one on all."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

import click
import numpy as np
import torch

from dahlia.params import DetectionParams, DetectorParams
from dahlia.terminal import progress_bar
from dahlia.training.detection.detection_data import DetectionData
from dahlia.training.detection.finder import Finder
from dahlia.training.detection.judging import Answer, answers
from dahlia.training.detection.runs import Learned, RunData, train_run
from dahlia.training.detection.view_maps import ViewMaps
from dahlia.training.threads import in_threads, thread_count

_FORMAT = 1
_QUARTERS = 4
_LEAST_PASSES = 4


@dataclass(frozen=True)
class Problem:
    """What all runs share.

    Attributes:
        data: N photos.
        maps: of them.
        detector: of the domain.
        training: of the recipe.
        size: edge of the photos in pixels.
        seed: of the project.
    """

    data: DetectionData
    maps: ViewMaps
    detector: DetectorParams
    training: DetectionParams
    size: int
    seed: int

    @property
    def steps(self) -> int:
        """Of each run."""
        return steps_for(self.training, int(self.data.training.sum()))

    def finder(self) -> Finder:
        """As every run starts."""
        return Finder(
            self.maps.shapes.channels,
            len(self.data.tags),
            size=self.size,
            strides=self.detector.strides,
            output=self.detector.output,
            width=self.detector.width,
            seed=self.seed,
        )


def steps_for(training: DetectionParams, photos: int) -> int:
    """Those of the parameters, and more where each photo would be seen less than four times."""
    return max(training.steps, _LEAST_PASSES * photos // training.batch_size)


@dataclass(frozen=True)
class FoldRuns:
    """What the runs gave.

    Attributes:
        final: the run on all training photos.
        answers: by number of the photo: for training photos of the run that did not see it, for test photos
            of the final run.
    """

    final: Learned
    answers: dict[int, Answer]


def run_folds(problem: Problem, folder: Path) -> FoldRuns:
    """Train all runs, as many at once as there are cores, each in one thread.

    Args:
        problem: what they learn.
        folder: where runs keep what they have done; those of other data or parameters are deleted.

    Raises:
        TrainingError: a loss is not finite, or a checkpoint is damaged.
        DahliaError: a checkpoint cannot be written.
    """
    data = problem.data
    parts = np.unique(data.folds[data.training]).tolist()
    jobs: list[int | None] = [*parts, None]
    own = folder / run_key(problem)[:16]
    _keep_only(own)
    watch = _Watch(problem.steps * len(jobs))
    with progress_bar("detector") as bar:
        task = bar.add_task("detector", total=problem.steps * len(jobs))

        def tell(steps: int) -> None:
            bar.advance(task, steps)
            watch.add(steps)

        runs = list(in_threads(partial(_run, problem, own, tell), jobs, thread_count()))
    found = {row: answer for _, answered in runs for row, answer in answered.items()}
    return FoldRuns(runs[-1][0], found)


def _run(
    problem: Problem, folder: Path, tell: Callable[[int], None], part: int | None
) -> tuple[Learned, dict[int, Answer]]:
    torch.set_flush_denormal(True)  # subnormal numbers cost tenfold time and change no figure
    data = problem.data
    learns = data.training & (data.folds != part) if part is not None else data.training
    asked = np.flatnonzero(data.folds == part if part is not None else ~data.training).tolist()
    name = "final" if part is None else f"fold-{part}"
    finder = problem.finder()
    learned = train_run(
        finder,
        RunData(problem.maps, data.truth, len(data.tags), np.flatnonzero(learns)),
        problem.training,
        steps=problem.steps,
        seed=problem.seed,
        checkpoint=folder / f"{name}.safetensors",
        progress=tell,
    )
    finder.load_state_dict(learned.weights)
    return learned, dict(zip(asked, answers(finder, problem.maps, asked), strict=True))


def run_key(problem: Problem) -> str:
    """A SHA-256 of all that decides the outcome of the runs; maps are in a folder named by their own."""
    spoken = (
        *(_FORMAT, torch.__version__, problem.size, problem.seed, problem.maps.plain.path.parent.name),
        *(problem.detector.model_dump_json(), problem.training.model_dump_json(), problem.data.tags),
        len(problem.maps.views),
    )
    return hashlib.sha256(repr(spoken).encode()).hexdigest()


def _keep_only(folder: Path) -> None:
    for other in folder.parent.glob("*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


@dataclass
class _Watch:
    """Says at each quarter how much time is left, for who reads a log instead of a bar."""

    total: int
    done: int = 0
    began: float = field(default_factory=time.monotonic)
    counted: int = 0
    lock: Lock = field(default_factory=Lock)

    def add(self, steps: int) -> None:
        with self.lock:
            before = self.done * _QUARTERS // self.total
            self.done += steps
            if steps == 1:  # what a killed run had done says nothing about the time
                self.counted += 1
            quarter = self.done * _QUARTERS // self.total
            if before < quarter < _QUARTERS:
                pace = (time.monotonic() - self.began) / max(1, self.counted)
                left = (self.total - self.done) * pace
                click.echo(f"train: {quarter * 100 // _QUARTERS} % of the steps, about {left:.0f} s left")
