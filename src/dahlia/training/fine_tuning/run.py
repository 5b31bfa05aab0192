"""One run of fine-tuning, from the quick head or from where it was cut off, to its horizon."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import click
import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from dahlia.errors import TrainingError
from dahlia.modeling.bundle import set_head
from dahlia.modeling.classifier import Classifier
from dahlia.params import FineTuningParams, TrainerParams
from dahlia.training.checkpoints import SafetensorsCheckpoints
from dahlia.training.fine_tuning.budget import Budget, Timetable
from dahlia.training.fine_tuning.course import RECORD, Course
from dahlia.training.fine_tuning.data import TuningData
from dahlia.training.fine_tuning.photo_memory import PhotoMemory
from dahlia.training.fine_tuning.state import Plan, TuningFolder
from dahlia.training.fine_tuning.tuner import FineTuner
from dahlia.training.hardware import fit_options, is_out_of_memory
from dahlia.training.trainer import make_trainer, translated_refusals

_MOST_SPLITS = 2
_PROBE_STEPS = 3
_CLIP = 1.0
Head = tuple[torch.Tensor, torch.Tensor]


@dataclass
class Bench:
    """What the runs of one fine-tuning share; `plan` is replaced where the horizon or the splits change."""

    start: Classifier
    params: FineTuningParams
    trainer: TrainerParams
    memory: PhotoMemory
    budget: Budget
    timetable: Timetable
    folder: TuningFolder
    plan: Plan

    def keep(self, **changes: Any) -> None:
        """Change the plan, and write it."""
        self.plan = replace(self.plan, **changes, spent=self.budget.spent)
        self.folder.save_plan(self.plan)


@dataclass(frozen=True)
class Run:
    """Fold `number` of the timetable, or the final run, which has nothing held out."""

    number: int
    where: str
    head: Head
    data: TuningData
    held_out: TuningData | None


def tune(bench: Bench, run: Run, horizon: int) -> dict[str, Any] | None:
    """Train until the horizon, or as far as the budget allows.

    Where memory is short, the batch is halved once for all that follows: its gradients are added up over
    two steps, so the schedule stays what it was.

    Returns:
        The run's last checkpoint; `None` where not even one epoch was finished.

    Raises:
        TrainingError: memory is short with half the batch, or the loss is not finite.
        DahliaError: the checkpoint cannot be written.
    """
    while True:
        kept = bench.folder.read(run.number)
        if bench.budget.left <= 0 or is_whole(kept, horizon):
            return kept
        course = Course(
            *(bench.folder.checkpoint(run.number), run.held_out, bench.budget, bench.timetable),
            *(run.number, horizon if kept is None else min(horizon, kept[RECORD]["horizon"])),
        )
        try:
            _fit(bench, run, course, resumed=kept is not None)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            halve(bench, run.data, error)
            continue
        return bench.folder.read(run.number)


def start_of(bench: Bench, run: Run) -> Classifier:
    """Where a run starts: the backbone as it came, and the quick head that did not see what is held out."""
    model = copy.deepcopy(bench.start)
    set_head(model, *run.head, 1.0)
    return model


def is_whole(kept: dict[str, Any] | None, horizon: int) -> bool:
    """Whether a run's last checkpoint is of its last epoch: the horizon, or less where time is short."""
    return kept is not None and kept[RECORD]["epochs"] >= min(horizon, kept[RECORD]["horizon"])


def halve(bench: Bench, data: TuningData, error: Exception) -> None:
    """Go on with half the batch, if the error is about memory and the batch was not halved yet.

    Raises:
        TrainingError: it was.
    """
    if not is_out_of_memory(error):
        raise error
    if bench.plan.splits >= _MOST_SPLITS or data.batch_size < _MOST_SPLITS:
        photos = max(1, data.batch_size // bench.plan.splits)
        raise TrainingError(
            f"Memory does not suffice for {photos} photos of {data.size} px at once. Lower "
            "`training.batch_size` or `domain.input.size`, or choose `training=quick`."
        ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    click.echo(f"train: memory is short; continuing with {data.batch_size // _MOST_SPLITS} photos at once")
    bench.keep(splits=_MOST_SPLITS)


def seconds_per_photo(bench: Bench, data: TuningData) -> float:
    """What a photo that is drawn takes here, from a few steps that are thrown away."""
    while True:
        timer = _Timer(bench.budget)
        tuner = _tuner(bench, data, bench.start, "the probe", bench.params.max_epochs)
        trainer = make_trainer(
            bench.trainer,
            watched=False,
            enable_progress_bar=False,
            max_epochs=_PROBE_STEPS,
            max_steps=_PROBE_STEPS,
            gradient_clip_val=_CLIP,
            callbacks=[timer],
            accumulate_grad_batches=bench.plan.splits,
            **fit_options(bench.trainer, 1),
        )
        try:
            trainer.fit(tuner)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            halve(bench, data, error)
            continue
        return timer.seconds_per_photo


def _fit(bench: Bench, run: Run, course: Course, *, resumed: bool) -> None:
    model = start_of(bench, run)
    trainer = make_trainer(
        bench.trainer,
        max_epochs=bench.plan.epochs,
        gradient_clip_val=_CLIP,
        accumulate_grad_batches=bench.plan.splits,
        callbacks=[course],
        plugins=[SafetensorsCheckpoints()],
        **fit_options(bench.trainer, bench.plan.devices),
    )
    pl.seed_everything(run.data.seed, verbose=False)
    path = bench.folder.checkpoint(run.number) if resumed else None
    with translated_refusals():
        trainer.fit(_tuner(bench, run.data, model, run.where, bench.plan.epochs), ckpt_path=path)


def _tuner(bench: Bench, data: TuningData, model: Classifier, where: str, epochs: int) -> FineTuner:
    memory, splits = bench.memory, bench.plan.splits
    return FineTuner(model, data, memory, bench.params, epochs=epochs, where=where, splits=splits)


class _Timer(Callback):
    """The first step also warms up, so where there are others it does not count."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.steps: list[tuple[float, int]] = []
        self.last = 0.0

    def on_train_start(self, *_: Any) -> None:
        self.last = self.budget.spent

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, _: Any, batch: Any, *__: Any) -> None:
        now = self.budget.spent
        self.steps.append((now - self.last, len(batch[0])))
        self.last = now
        trainer.should_stop = self.budget.left <= 0

    @property
    def seconds_per_photo(self) -> float:
        steps = self.steps[1:] or self.steps
        return sum(seconds for seconds, _ in steps) / sum(photos for _, photos in steps)
