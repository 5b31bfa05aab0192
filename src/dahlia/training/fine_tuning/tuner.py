"""Fine-tuning: the backbone, or its last stages, and the head together, from the quick head on."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from dahlia.errors import DatasetError, TrainingError
from dahlia.modeling.classifier import Classifier
from dahlia.params import FineTuningParams
from dahlia.training.fine_tuning.augmentation import Mixing
from dahlia.training.fine_tuning.tuning_data import Batch, Memory, TuningData
from dahlia.training.optimisation import LOSSES, averaged_share, parameter_groups, rate_factor

_WARM_UP = 0.1
_PREDICTED = 32  # photos at once
_AVERAGED = "averaged.module."
_Tensors = list[Tensor] | tuple[Tensor, ...]


class FineTuner(pl.LightningModule):
    """AdamW with layer-wise rates, warm-up and cosine, mixing, label smoothing, and averaged weights.

    Batch normalisation keeps its statistics: batches of few photos would only add noise to them. Order,
    augmentation and mixing are functions of seed, epoch and batch, so that a run that was cut off goes on
    exactly as if it had not been.

    Args:
        model: what to start from, without the stages that are frozen; a copy is trained.
        data: what to learn from.
        memory: where decoded photos are, or maps.
        params: rates, smoothing and the like.
        epochs: of the whole schedule, of which the run may end early.
        where: for messages, for example `fold 2 of 5`.
        splits: parts of a batch whose gradients are added up where memory is short.
    """

    def __init__(
        self,
        model: Classifier,
        data: TuningData,
        memory: Memory,
        params: FineTuningParams,
        *,
        epochs: int,
        where: str,
        splits: int = 1,
    ) -> None:
        super().__init__()
        # On two cores convolutions of this layout take two thirds of the time.
        self.model = copy.deepcopy(model).to(memory_format=torch.channels_last)
        self.start = [copy.deepcopy(self.model)]  # in a list, its weights are none of this module's state
        self.averaged = AveragedModel(self.model, multi_avg_fn=self._average).requires_grad_(False)
        self.data, self.memory, self.params = data, memory, params
        self.epochs, self.where, self.splits = epochs, where, splits
        self.mixing = Mixing(params.mixup, params.cutmix, params.mixing, data.seed)

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches of this device."""
        world, rank = self.trainer.world_size, self.trainer.global_rank
        return self.data.loader(
            self.memory, self.params.balancing, splits=self.splits, rank=rank, world=world
        )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch; the loss is that of the uncalibrated logits.

        Raises:
            DatasetError: a photo changed or vanished.
            TrainingError: the loss is not finite.
        """
        if isinstance(batch, DatasetError):
            raise batch
        self.model.eval()
        truth = LOSSES[self.model.kind].targets(batch[1])
        pixels, truth = self.mixing(batch[0].float(), truth, self.current_epoch, batch_idx)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        logits = self.model.head(self.model.backbone(pixels)).float()
        loss = LOSSES[self.model.kind].of_batch(logits, truth, self.params.label_smoothing)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss.item()} at step {self.global_step} in epoch "
                f"{self.current_epoch + 1} of {self.where}, expected a finite number. Lower "
                "`training.fine_tuning.learning_rate`."
            )
        self.log("train_loss", loss, batch_size=len(truth), prog_bar=True)
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Follow the weights with their average."""
        super().optimizer_step(*args, **kwargs)
        self.averaged.update_parameters(self.model)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Rates fall from the head to the stem; one schedule for all."""
        # Lightning knows the number of its batches later than this.
        steps = self.epochs * self.data.steps(self.params.balancing, self.splits, self.trainer.world_size)
        optimizer = torch.optim.AdamW(parameter_groups(self.model, self.params))
        factor = partial(rate_factor, steps=steps, warm_up=_WARM_UP)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def result(self) -> Classifier:
        """The model as it would be kept now; see `interpolated`."""
        averaged: dict[str, Tensor] = self.averaged.module.state_dict()
        return interpolated(self.start[0].to(self.device), averaged, self.params.interpolation)

    def _average(self, averaged: _Tensors, current: _Tensors, number: Tensor | int) -> None:
        torch._foreach_lerp_(averaged, current, averaged_share(int(number), self.params.averaging))


def interpolated(start: Classifier, averaged: Mapping[str, Tensor], share: float) -> Classifier:
    """A model part of the way from where fine-tuning started to where it led, in evaluation mode.

    Between the two lie models that forget less than the second and are better than both: Wortsman et al.
    2022, "Robust fine-tuning of zero-shot models". On photos of other places more so than on held-out ones.

    Args:
        start: the quick model; it stays as it is.
        averaged: the fine-tuned weights, by the names of `start`.
        share: of the way, 0 to 1.
    """
    model = copy.deepcopy(start)
    kept = model.state_dict()
    for name, after in averaged.items():
        if after.is_floating_point():
            kept[name].lerp_(after.to(kept[name]), share)
    return model.eval()


def restored(start: Classifier, state: Mapping[str, Tensor], share: float) -> Classifier:
    """What `FineTuner.result` was when `state`, the module's, was written."""
    averaged = {
        name.removeprefix(_AVERAGED): value for name, value in state.items() if name.startswith(_AVERAGED)
    }
    return interpolated(start, averaged, share)


def predict_logits(
    model: Classifier, photos: Sequence[tuple[str, Path]], memory: Memory
) -> npt.NDArray[np.float64]:
    """(N, K) uncalibrated logits of N photos (id and file), prepared as prediction prepares them.

    Computed in float32 on the model's device; the model must be in evaluation mode.

    Raises:
        DatasetError: a photo changed or vanished after ingest.
    """
    device = model.head.weight.device
    parts = [np.zeros((0, model.head.out_features))]
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for first in range(0, len(photos), _PREDICTED):
            seen = memory.plain(photos[first : first + _PREDICTED]).to(device)
            parts.append(model.head(model.backbone(seen)).cpu().double().numpy())
    return np.concatenate(parts)
