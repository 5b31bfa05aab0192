"""Fine-tuning: the backbone and the head together, from the quick head on."""

from __future__ import annotations

import copy
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset

from dahlia.dataset.imaging import OVERSAMPLING, decode
from dahlia.dataset.photos import read_photo
from dahlia.errors import TrainingError
from dahlia.modeling.classifier import Classifier
from dahlia.params import FineTuningParams
from dahlia.training.augmentation import Augmentation
from dahlia.training.trainer import make_trainer

_WARM_UP = 0.1
_PROBE_STEPS = 2


@dataclass(frozen=True)
class TuningData:
    """N photos to learn from.

    Attributes:
        ids: N image ids.
        paths: N files.
        truth: (N, K) bool.
        augmentation: the domain's names.
        size: input edge in pixels.
        batch_size: photos per step.
        seed: of order and augmentation.
    """

    ids: Sequence[str]
    paths: Sequence[Path]
    truth: npt.NDArray[np.bool_]
    augmentation: Sequence[str]
    size: int
    batch_size: int
    seed: int

    def loader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Shuffled batches of augmented photos, (B, 3, size, size) uint8, and their (B, K) truth."""
        order = torch.Generator().manual_seed(self.seed)
        return DataLoader(
            _Augmented(self), batch_size=min(self.batch_size, len(self.paths)), shuffle=True, generator=order
        )


class FineTuner(pl.LightningModule):
    """AdamW with layer-wise rates, warm-up and cosine, label smoothing, and averaged weights.

    Batch normalisation keeps its statistics: batches of few photos would only add noise to them.
    """

    def __init__(self, model: Classifier, params: FineTuningParams, steps: int) -> None:
        super().__init__()
        self.model = model
        self.params = params
        self.steps = steps
        self.averaged = AveragedModel(model, avg_fn=self._average)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """One batch; the loss is that of the uncalibrated logits."""
        self.model.eval()
        pixels, truth = batch
        logits = self.model.head(self.model.backbone(pixels.float()))
        if self.model.classification == "multiclass":
            loss = functional.cross_entropy(
                logits, truth.argmax(1), label_smoothing=self.params.label_smoothing
            )
        else:
            loss = functional.binary_cross_entropy_with_logits(logits, truth)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss.item()} at step {self.global_step} of fine-tuning, expected a finite "
                "number. Lower `training.fine_tuning.learning_rate`."
            )
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Follow the weights with their average."""
        self.averaged.update_parameters(self.model)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Rates fall from the head to the stem; one schedule for all."""
        optimizer = torch.optim.AdamW(_groups(self.model, self.params))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _average(self, averaged: Tensor, current: Tensor, _: Tensor | int) -> Tensor:
        return averaged.lerp(current, 1 - self.params.averaging)

    def _factor(self, step: int) -> float:
        warm_up = max(1, round(_WARM_UP * self.steps))
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, self.steps - warm_up))))


def fine_tune(model: Classifier, data: TuningData, params: FineTuningParams, epochs: int) -> Classifier:
    """Fine-tune a copy of `model`; its averaged weights come back in evaluation mode."""
    loader = data.loader()
    pl.seed_everything(data.seed, verbose=False)
    tuner = FineTuner(copy.deepcopy(model), params, epochs * len(loader))
    make_trainer(max_epochs=epochs, gradient_clip_val=1.0).fit(tuner, loader)
    averaged = tuner.averaged.module
    if not isinstance(averaged, Classifier):
        raise TypeError(type(averaged))
    return averaged.cpu().eval()


def seconds_per_epoch(model: Classifier, data: TuningData, params: FineTuningParams) -> float:
    """What one pass over the photos takes here, from a few steps that are thrown away."""
    loader = data.loader()
    timer = _Timer()
    tuner = FineTuner(copy.deepcopy(model), params, len(loader))
    make_trainer(max_steps=_PROBE_STEPS + 1, callbacks=[timer], enable_progress_bar=False).fit(tuner, loader)
    return timer.seconds / max(1, timer.steps) * len(loader)


class _Timer(pl.Callback):
    def __init__(self) -> None:
        self.seconds, self.steps, self.last = 0.0, 0, time.perf_counter()

    def on_train_start(self, *_: Any) -> None:
        self.last = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        now = time.perf_counter()
        self.seconds, self.steps, self.last = self.seconds + now - self.last, self.steps + 1, now


class _Augmented(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, data: TuningData) -> None:
        self.data = data
        self.augmentation = Augmentation(data.augmentation, data.size, data.seed)

    def __len__(self) -> int:
        return len(self.data.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = decode(
            read_photo(self.data.paths[index], self.data.ids[index]), at_least=OVERSAMPLING * self.data.size
        )
        pixels = np.ascontiguousarray(self.augmentation(image).transpose(2, 0, 1))
        return torch.from_numpy(pixels), torch.from_numpy(self.data.truth[index].astype(np.float32))


def _groups(model: Classifier, params: FineTuningParams) -> list[dict[str, Any]]:
    depths = {name: _stage(name) for name, _ in model.backbone.network.named_parameters()}
    deepest = max(depths.values(), default=0)
    groups = [
        {
            "params": [parameter],
            "lr": params.learning_rate * 0.1 * params.layer_decay ** (deepest - depths[name]),
            "weight_decay": _decay(parameter, params),
        }
        for name, parameter in model.backbone.network.named_parameters()
    ]
    return [
        *groups,
        *(
            {
                "params": [parameter],
                "lr": params.learning_rate,
                "weight_decay": _decay(parameter, params),
            }
            for parameter in model.head.parameters()
        ),
    ]


def _decay(parameter: nn.Parameter, params: FineTuningParams) -> float:
    return params.weight_decay if parameter.ndim > 1 else 0.0


def _stage(name: str) -> int:
    """Stem first, then timm's numbered stages, then whatever comes after them."""
    found = re.match(r"(?:blocks|layers?|stages)\.?(\d+)", name)
    if found:
        return int(found.group(1)) + 1
    return 0 if re.match(r"(conv_stem|bn1|conv1|stem|patch_embed|cls_token|pos_embed)", name) else 8
