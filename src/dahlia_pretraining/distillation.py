"""The student of pretraining: it learns the labels, and to see in every part what a teacher sees."""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from dahlia.errors import TrainingError
from dahlia.modeling.backbones import Backbone
from dahlia.training.optimisation import averaged_share, rate_factor
from dahlia.training.trainer import narrowed_inference
from dahlia_pretraining import PretrainingParams
from dahlia_pretraining.corpus import Corpus
from dahlia_pretraining.teacher import averaged_to

_STATISTICS_FROM = 2048
_WARM_UP = 0.03

Batch = tuple[Tensor, Tensor, int]


@dataclass(frozen=True)
class Plan:
    """How many steps there are, and how they are divided.

    Attributes:
        steps: in all.
        interval: steps from one checkpoint to the next.
        devices: processes that share a step's photos.
    """

    steps: int
    interval: int
    devices: int = 1


class Pretrainer(pl.LightningModule):
    """AdamW with warm-up and cosine on the sum of three losses, and an average of the weights.

    The losses: cross-entropy of the labels; the cosine distance between a linear map of the student's
    features and the teacher's mean map; the same for each position of the last map. The teacher sees the
    very views that the student sees (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient
    and consistent"); its values are standardised per channel.
    """

    whole_mean: Tensor
    whole_std: Tensor
    part_mean: Tensor
    part_std: Tensor
    teacher: list[nn.Module | None]  # in a list, its weights are none of this module's state

    def __init__(
        self,
        student: Backbone,
        teacher: nn.Module | None,
        corpus: Corpus,
        params: PretrainingParams,
        plan: Plan,
    ) -> None:
        super().__init__()
        self.student = student.to(memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.student).eval().requires_grad_(False)
        self.teacher = [teacher]
        self.corpus = corpus
        self.params_ = params
        self.plan = plan
        with torch.inference_mode():
            maps, last = _seen(self.student, torch.zeros(1, 3, 64, 64))
            wide = 0 if teacher is None else teacher(torch.zeros(1, 3, 64, 64)).shape[1]
        self.classifier = nn.Linear(last.shape[1], len(corpus.classes))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # without a teacher
            self.whole = nn.Linear(maps.shape[1] + last.shape[1], wide)
            self.part = nn.Conv2d(maps.shape[1], wide, 1)
        for name in ("whole_mean", "whole_std", "part_mean", "part_std"):
            self.register_buffer(name, torch.zeros(wide))

    def on_fit_start(self) -> None:
        """Learn the scale of the teacher's values, unless a checkpoint has brought it."""
        teacher = self._teacher()
        if teacher is None or bool(self.whole_std.any()):
            return
        first = (self._batches()[step] for step in range(-(-_STATISTICS_FROM // self.params_.batch_size)))
        maps = [self._taught(teacher, self._views(images, step)[0]) for images, _, step in first]
        wholes = torch.cat([found.mean((2, 3)) for found in maps])
        parts = torch.cat([found.flatten(2).transpose(1, 2).flatten(0, 1) for found in maps])
        for name, values in (("whole", wholes), ("part", parts)):
            getattr(self, f"{name}_mean").copy_(values.mean(0))
            getattr(self, f"{name}_std").copy_(values.std(0) + 1e-4)

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches up to the next checkpoint; which photos a step sees follows from its number alone."""
        return DataLoader(self._batches(), batch_size=None, shuffle=False)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One step; logs its losses."""
        images, labels, step = batch
        views, rows = self._views(images, step)
        targets = functional.one_hot(labels, len(self.corpus.classes)).float()[rows.to(labels.device)].mean(1)
        maps, last = _seen(self.student, views * 255)
        losses = {"label": functional.cross_entropy(self.classifier(last), targets, label_smoothing=0.1)}
        teacher = self._teacher()
        if teacher is not None:
            wanted = averaged_to(self._taught(teacher, views), maps)
            part = (wanted - self.part_mean.view(1, -1, 1, 1)) / self.part_std.view(1, -1, 1, 1)
            whole = (wanted.mean((2, 3)) - self.whole_mean) / self.whole_std
            features = torch.cat([_unit(maps.mean((2, 3))), _unit(last)], 1)
            losses["whole"] = 1 - functional.cosine_similarity(self.whole(features).float(), whole).mean()
            losses["part"] = 1 - functional.cosine_similarity(self.part(maps).float(), part).mean()
        weights = {
            "label": self.params_.label_weight,
            "whole": self.params_.whole_weight,
            "part": self.params_.part_weight,
        }
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss.item()} at step {self.global_step}, expected a finite number. Lower "
                "`learning_rate`, and run the same command again: it continues from the last checkpoint."
            )
        self.log_dict({name: value.detach() for name, value in losses.items()})
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Follow the weights with their average."""
        share = averaged_share(self.global_step, self.params_.averaging)
        with torch.no_grad():
            for average, now in zip(
                self.averaged.state_dict().values(), self.student.state_dict().values(), strict=True
            ):
                if average.is_floating_point():
                    average.lerp_(now, share)
                else:
                    average.copy_(now)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW without decay on biases and normalisation."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.params_.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, self.params_.learning_rate)
        factor = partial(rate_factor, steps=self.plan.steps, warm_up=_WARM_UP)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _teacher(self) -> nn.Module | None:
        teacher = self.teacher[0]
        return None if teacher is None else teacher.to(self.device)

    def _taught(self, teacher: nn.Module, views: Tensor) -> Tensor:
        with torch.no_grad(), narrowed_inference(self.device):
            maps: Tensor = teacher(views)
        return maps.float()

    def _views(self, images: Tensor, step: int) -> tuple[Tensor, Tensor]:
        chance = torch.Generator().manual_seed((self.params_.seed << 32) + step)
        sizes = self.params_.sizes
        size = sizes[int(torch.randint(len(sizes), (1,), generator=chance))]
        return random_views(images.to(self.device), size, self.params_.mosaics, chance)

    def _batches(self) -> _Batches:
        return _Batches(self.corpus, self.params_, self.plan, self.global_step, self.global_rank)


class _Batches(Dataset[Batch]):
    def __init__(self, corpus: Corpus, params: PretrainingParams, plan: Plan, first: int, rank: int) -> None:
        self.corpus, self.params, self.plan, self.first, self.rank = corpus, params, plan, first, rank
        self.drawn: tuple[int, Tensor] | None = None

    def __len__(self) -> int:
        return max(1, min(self.plan.interval, self.plan.steps - self.first))

    def __getitem__(self, index: int) -> Batch:
        step = (self.first + index) * self.plan.devices + self.rank
        each = min(self.params.batch_size, len(self.corpus.labels))
        per_epoch = len(self.corpus.labels) // each
        rows = self._order(step // per_epoch)
        chosen = rows[step % per_epoch * each :][:each].sort().values.numpy()
        return (
            torch.from_numpy(self.corpus.images[chosen]),
            torch.from_numpy(self.corpus.labels[chosen]),
            step,
        )

    def _order(self, epoch: int) -> Tensor:
        if self.drawn is None or self.drawn[0] != epoch:
            chance = torch.Generator().manual_seed((self.params.seed << 32) + epoch)
            self.drawn = epoch, torch.randperm(len(self.corpus.labels), generator=chance)
        return self.drawn[1]


def _seen(student: Backbone, pixels: Tensor) -> tuple[Tensor, Tensor]:
    maps: Tensor = student.network.forward_features((pixels - student.mean) / student.std)
    return maps, student.network.forward_head(maps, pre_logits=True)


def _unit(features: Tensor) -> Tensor:
    # As the heads see them; times the root of their number, so that values are near one.
    unit: Tensor = functional.normalize(features.float(), dim=1)
    return unit * math.sqrt(features.shape[1])


_LEAST_AREA = 0.3
_ASPECT = 4 / 3
_COLOUR = 0.3
_GREY = (0.299, 0.587, 0.114)


def random_views(
    images: Tensor, size: int, mosaics: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Look at each photo of a batch in a random way; some views are mosaics of four photos.

    A mosaic shows small photos sharply, side by side, where one photo would be shown enlarged.

    Args:
        images: (B, S, S, 3) uint8 RGB.
        size: edge of the views, pixels; even.
        mosaics: share of the views that are mosaics, 0 to 1; the last ones.
        generator: on the CPU; all chance comes from here.

    Returns:
        Views (B, 3, size, size), 0 to 1, and whose they are: (B, 4) rows of `images`, each a quarter of
        the view; four times the same for a view of one photo.
    """
    count = len(images)
    mosaic = round(count * mosaics)
    pixels = images.permute(0, 3, 1, 2).float() / 255
    rows = torch.arange(count)[:, None].repeat(1, 4)
    parts = []
    if mosaic < count:
        parts.append(_cropped(pixels[: count - mosaic], size, generator))
    if mosaic:
        rows[count - mosaic :] = torch.randint(count, (mosaic, 4), generator=generator)
        quarters = _cropped(pixels[rows[count - mosaic :].flatten().to(images.device)], size // 2, generator)
        parts.append(_tiled(quarters.view(mosaic, 4, *quarters.shape[1:])))
    views = torch.cat(parts)
    return _coloured(views, generator).contiguous(memory_format=torch.channels_last), rows


def _cropped(pixels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    # Random resized crop, Szegedy et al. 2014, as one affine map per photo.
    count = len(pixels)
    area = _LEAST_AREA + (1 - _LEAST_AREA) * torch.rand(count, generator=generator)
    aspect = _ASPECT ** (2 * torch.rand(count, generator=generator) - 1)
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    shift = 2 * torch.rand(2, count, generator=generator) - 1
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    affine = torch.zeros(count, 2, 3)
    affine[:, 0, 0], affine[:, 0, 2] = width * mirror, shift[0] * (1 - width)
    affine[:, 1, 1], affine[:, 1, 2] = height, shift[1] * (1 - height)
    grid = functional.affine_grid(affine.to(pixels.device), [count, 3, size, size], align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def _tiled(parts: Tensor) -> Tensor:
    upper, lower = torch.cat([parts[:, 0], parts[:, 1]], 3), torch.cat([parts[:, 2], parts[:, 3]], 3)
    return torch.cat([upper, lower], 2)


def _coloured(views: Tensor, generator: torch.Generator) -> Tensor:
    factors = 1 + _COLOUR * (2 * torch.rand(3, len(views), 1, 1, 1, generator=generator) - 1)
    light, contrast, saturation = factors.to(views.device)
    views = views * light
    views = views.mean((1, 2, 3), keepdim=True).lerp(views, contrast)
    grey = (views * torch.tensor(_GREY, device=views.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return grey.lerp(views, saturation).clamp(0, 1)
