"""The course of one fine-tuning run: judged after every epoch, kept on disk, and ended in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.training.fine_tuning.budget import Budget, Pace, Timetable
from dahlia.training.fine_tuning.data import TuningData
from dahlia.training.fine_tuning.judging import predict_logits

RECORD = "dahlia"


class Course(pl.Callback):
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
