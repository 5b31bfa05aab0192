"""The runs of a detector: one for each part of the photos that is held out, and the final one on all."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event, Lock

import click
import numpy as np
import numpy.typing as npt
import torch

from dahlia.dataset.manifest import TEST_FOLD
from dahlia.params import DetectionParams, DetectorParams
from dahlia.terminal import progress_bar
from dahlia.training.detection.detection_data import DetectionData
from dahlia.training.detection.finder import Finder
from dahlia.training.detection.judging import Answer, answers
from dahlia.training.detection.runs import Learned, RunData, Weights, train_run
from dahlia.training.detection.tail import Tail
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
    def jobs(self) -> list[int | None]:
        """The parts that are held out, one after the other; None for the final run, which is the last."""
        parts: list[int | None] = np.unique(self.data.folds[self.data.training]).tolist()
        return [*parts, None]

    def learned_from(self, part: int | None) -> npt.NDArray[np.intp]:
        """The numbers of the photos that a run sees."""
        return np.flatnonzero(self.data.training & (self.data.folds != part))

    def asked_of(self, part: int | None) -> list[int]:
        """The numbers of the photos that a run answers for: test photos are for the final one."""
        rows = self.data.folds == (TEST_FOLD if part is None else part)
        asked: list[int] = np.flatnonzero(rows).tolist()
        return asked

    def finder(self, tail: Tail | None = None) -> Finder:
        """As every run starts."""
        return Finder(
            self.maps.shapes.channels,
            len(self.data.tags),
            size=self.size,
            strides=self.detector.strides,
            output=self.detector.output,
            width=self.detector.width,
            seed=self.seed,
            tail=tail,
        )


def steps_for(training: DetectionParams, photos: int) -> int:
    """Those of the parameters, and more where each photo would be seen less than four times."""
    return max(training.steps, _LEAST_PASSES * photos // training.batch_size)


@dataclass(frozen=True)
class Phase:
    """A round of runs.

    Attributes:
        name: for files and people.
        steps: of each run.
        rate: share of the learning rate.
        tail: the last stages of the backbone, which learn too.
        start: the weights that each run starts with; None for random ones.
    """

    name: str
    steps: int
    rate: float = 1.0
    tail: Tail | None = None
    start: dict[int | None, Weights] | None = None


@dataclass(frozen=True)
class FoldRuns:
    """What the runs of a phase gave.

    Attributes:
        learned: by the part that was held out; None for the final run.
        answers: by number of the photo: for training photos of the run that did not see it, for test photos
            of the final run.
    """

    learned: dict[int | None, Learned]
    answers: dict[int, Answer]

    @property
    def final(self) -> Learned:
        """The run on all training photos."""
        return self.learned[None]


class _NotWantedError(Exception):
    """Ends a run whose result nobody waits for: training was interrupted, or another run failed."""


def run_folds(problem: Problem, phase: Phase, folder: Path) -> FoldRuns:
    """Train all runs, as many at once as there are cores, each in one thread.

    Args:
        problem: what they learn.
        phase: how.
        folder: where runs keep what they have done, see `own_folder`.

    Raises:
        TrainingError: a loss is not finite, or a checkpoint is damaged.
        DahliaError: a checkpoint cannot be written.
    """
    jobs, stopped = problem.jobs, Event()
    watch = _Watch(phase.name, phase.steps * len(jobs))
    with progress_bar(phase.name) as bar:
        task = bar.add_task(phase.name, total=phase.steps * len(jobs))

        def tell(steps: int) -> None:
            if stopped.is_set():
                raise _NotWantedError
            bar.advance(task, steps)
            watch.add(steps)

        # Random weights come from torch's one generator, which threads would take from in turns.
        given = [(job, problem.finder(phase.tail)) for job in jobs]
        run = partial(_run, problem, phase, folder, tell)
        runs = list(in_threads(run, given, thread_count(), stopped))
    return FoldRuns(
        {job: learned for job, (learned, _) in zip(jobs, runs, strict=True)},
        {row: answer for _, answered in runs for row, answer in answered.items()},
    )


def _run(
    problem: Problem,
    phase: Phase,
    folder: Path,
    tell: Callable[[int], None],
    given: tuple[int | None, Finder],
) -> tuple[Learned, dict[int, Answer]]:
    torch.set_flush_denormal(True)  # subnormal numbers cost tenfold time and change no figure
    data, (part, finder) = problem.data, given
    if phase.start is not None:
        finder.load_state_dict(phase.start[part], strict=False)
    learned = train_run(
        finder,
        RunData(problem.maps, data.truth, len(data.tags), problem.learned_from(part)),
        problem.training,
        steps=phase.steps,
        rate=phase.rate,
        fresh=phase.start is None,
        seed=problem.seed,
        checkpoint=folder / f"{phase.name}-{'final' if part is None else part}.safetensors",
        progress=tell,
    )
    finder.load_state_dict(learned.weights)
    asked = problem.asked_of(part)
    return learned, dict(zip(asked, answers(finder, problem.maps, asked), strict=True))


def own_folder(problem: Problem, folder: Path, *more: object) -> Path:
    """The folder in `folder` for these runs; those of other data or parameters are deleted.

    Args:
        problem: what runs learn.
        folder: for all of them.
        more: else decides their outcome.
    """
    spoken = (
        *(_FORMAT, torch.__version__, problem.size, problem.seed, problem.maps.plain.path.parent.name),
        *(problem.detector.model_dump_json(), problem.training.model_dump_json(), problem.data.tags),
        *(len(problem.maps.views), *more),
    )
    own = folder / hashlib.sha256(repr(spoken).encode()).hexdigest()[:16]
    for other in folder.glob("*"):
        if other != own:
            shutil.rmtree(other, ignore_errors=True)
    return own


@dataclass
class _Watch:
    """Says at each quarter how much time is left, for who reads a log instead of a bar."""

    name: str
    total: int
    done: int = 0
    began: float = field(default_factory=time.monotonic)
    counted: int = 0
    lock: Lock = field(default_factory=Lock)

    def add(self, steps: int) -> None:
        with self.lock:
            before = self.done * _QUARTERS // self.total
            self.done += steps
            if steps != 1:  # what a killed run had done was told then, and says nothing about the time
                return
            self.counted += 1
            quarter = self.done * _QUARTERS // self.total
            if before < quarter < _QUARTERS:
                pace = (time.monotonic() - self.began) / self.counted
                left = (self.total - self.done) * pace
                click.echo(
                    f"train: {self.name}, {quarter * 100 // _QUARTERS} % of the steps, "
                    f"about {left:.0f} s left"
                )
