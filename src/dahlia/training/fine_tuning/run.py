"""One run of fine-tuning, from the quick head or from where it was cut off, to its horizon."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from dahlia.errors import TrainingError
from dahlia.modeling.classifier import Classifier, set_head
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.params import FineTuningParams, TrainerParams
from dahlia.training.fine_tuning.progress import Budget, Pace, Plan, Timetable, TuningFolder
from dahlia.training.fine_tuning.trunk import tail_of
from dahlia.training.fine_tuning.tuner import FineTuner, predict_logits
from dahlia.training.fine_tuning.tuning_data import Memory, TuningData
from dahlia.training.trainer import (
    SafetensorsCheckpoints,
    fit_options,
    is_out_of_memory,
    make_trainer,
    translated_refusals,
)

_MOST_SPLITS = 2
_PROBE_STEPS = 3
_CLIP = 1.0
Head = tuple[torch.Tensor, torch.Tensor]
RECORD = "dahlia"


@dataclass
class TuningContext:
    """What the runs of one fine-tuning share; `plan` is replaced where the horizon or the splits change."""

    start: Classifier
    params: FineTuningParams
    trainer: TrainerParams
    memory: Memory
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


def tune(context: TuningContext, run: Run, horizon: int) -> dict[str, Any] | None:
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
        kept = context.folder.read(run.number)
        if context.budget.left <= 0 or is_whole(kept, horizon):
            return kept
        callback = EpochCallback(
            *(context.folder.checkpoint(run.number), run.held_out, context.budget, context.timetable),
            *(run.number, horizon if kept is None else min(horizon, kept[RECORD]["horizon"])),
        )
        try:
            _fit(context, run, callback, resumed=kept is not None)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            halve(context, run.data, error)
            continue
        return context.folder.read(run.number)


def start_of(context: TuningContext, run: Run) -> Classifier:
    """Where a run starts: the backbone as it came, and the quick head that did not see what is held out."""
    model = copy.deepcopy(context.start)
    set_head(model, *run.head, 1.0)
    return model


def is_whole(kept: dict[str, Any] | None, horizon: int) -> bool:
    """Whether a run's last checkpoint is of its last epoch: the horizon, or less where time is short."""
    return kept is not None and kept[RECORD]["epochs"] >= min(horizon, kept[RECORD]["horizon"])


def halve(context: TuningContext, data: TuningData, error: Exception) -> None:
    """Go on with half the batch, if the error is about memory and the batch was not halved yet.

    Raises:
        TrainingError: it was.
    """
    if not is_out_of_memory(error):
        raise error
    if context.plan.splits >= _MOST_SPLITS or data.batch_size < _MOST_SPLITS:
        photos = max(1, data.batch_size // context.plan.splits)
        raise TrainingError(
            f"Memory does not suffice for {photos} photos of {data.size} px at once. Lower "
            "`training.batch_size` or `domain.input.size`, or choose `training=quick`."
        ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    click.echo(f"train: memory is short; continuing with {data.batch_size // _MOST_SPLITS} photos at once")
    context.keep(splits=_MOST_SPLITS)


def seconds_per_photo(context: TuningContext, data: TuningData) -> float:
    """What a photo that is drawn takes here, from a few steps that are thrown away."""
    while True:
        timer = _Timer(context.budget)
        tuner = _tuner(context, data, context.start, "the probe", context.params.max_epochs)
        trainer = make_trainer(
            context.trainer,
            watched=False,
            enable_progress_bar=False,
            max_epochs=_PROBE_STEPS,
            max_steps=_PROBE_STEPS,
            gradient_clip_val=_CLIP,
            callbacks=[timer],
            accumulate_grad_batches=context.plan.splits,
            **fit_options(context.trainer, 1),
        )
        try:
            trainer.fit(tuner)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            halve(context, data, error)
            continue
        return timer.seconds_per_photo


def _fit(context: TuningContext, run: Run, callback: EpochCallback, *, resumed: bool) -> None:
    model = start_of(context, run)
    trainer = make_trainer(
        context.trainer,
        max_epochs=context.plan.epochs,
        gradient_clip_val=_CLIP,
        accumulate_grad_batches=context.plan.splits,
        callbacks=[callback],
        plugins=[SafetensorsCheckpoints()],
        **fit_options(context.trainer, context.plan.devices),
    )
    pl.seed_everything(run.data.seed, verbose=False)
    path = context.folder.checkpoint(run.number) if resumed else None
    with translated_refusals():
        trainer.fit(_tuner(context, run.data, model, run.where, context.plan.epochs), ckpt_path=path)


def _tuner(context: TuningContext, data: TuningData, model: Classifier, where: str, epochs: int) -> FineTuner:
    memory, splits = context.memory, context.plan.splits
    learning = tail_of(model, memory.stages)
    return FineTuner(learning, data, memory, context.params, epochs=epochs, where=where, splits=splits)


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


class EpochCallback(pl.Callback):
    """After each epoch: judge the model as it would be kept, write a checkpoint, look at the clock.

    Checked once per step: a run ends at once when the budget is spent, and that epoch is not judged.

    Args:
        checkpoint: the file, which also holds the logits, the time spent and the horizon.
        held_out: photos that this run does not learn from; `None` for the final run.
        memory: where decoded photos are.
        budget: of all runs.
        timetable: of all runs.
        run: the number of this one.
        horizon: epochs after which it ends.
    """

    def __init__(
        self,
        checkpoint: Path,
        held_out: TuningData | None,
        budget: Budget,
        timetable: Timetable,
        run: int,
        horizon: int,
    ) -> None:
        self.checkpoint, self.held_out = checkpoint, held_out
        self.budget, self.timetable, self.run, self.horizon = budget, timetable, run, horizon
        self.judged: list[torch.Tensor] = []
        self.pace = Pace()
        self.began, self.out_of_time = 0.0, False

    def on_train_epoch_start(self, *_: Any) -> None:
        """Note the time."""
        self.began = self.budget.spent

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Stop in the middle of an epoch where the budget is spent; devices agree."""
        if trainer.strategy.reduce_boolean_decision(self.budget.left <= 0, all=False):
            self.out_of_time = trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Judge, look at the clock, write the checkpoint."""
        if self.out_of_time:
            return
        done = trainer.current_epoch + 1
        self._judge(pl_module)
        self.pace.add(self.budget.spent - self.began, self.timetable.draws[self.run])
        affordable = self.timetable.affordable(
            self.run, done, self.horizon, self.budget.left, self.pace.value
        )
        self.horizon = trainer.strategy.broadcast(affordable)
        trainer.save_checkpoint(self.checkpoint)
        trainer.should_stop = done >= self.horizon

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put what was judged into the same file: weights and figures are of one epoch."""
        checkpoint[RECORD] = {
            "epochs": trainer.current_epoch + 1,
            "judged": self.judged,
            "spent": self.budget.spent,
            "horizon": self.horizon,
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with what was judged."""
        self.judged = list(checkpoint[RECORD]["judged"])

    def _judge(self, module: Any) -> None:
        if self.held_out is None:
            return
        photos = list(zip(self.held_out.ids, self.held_out.paths, strict=True))
        logits = predict_logits(module.result(), photos, module.memory)
        self.judged.append(torch.from_numpy(logits))
        loss = LIKELIHOODS[module.model.kind].negative_log_likelihood(logits, self.held_out.truth)
        module.log("held_out_loss", loss / len(photos), sync_dist=True)
