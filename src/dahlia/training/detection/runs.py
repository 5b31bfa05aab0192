"""One run: a finder learns from the kept maps of some photos, and goes on where a killed run stopped."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dahlia.boxes import Boxes
from dahlia.errors import TrainingError
from dahlia.params import DetectionParams
from dahlia.training.detection.assignment import Truth, assign
from dahlia.training.detection.finder import Finder
from dahlia.training.detection.losses import detection_loss
from dahlia.training.detection.mixing import SHARE, mixed
from dahlia.training.detection.schedule import blend, draws, ends_plain, learning_rate, photo_weights
from dahlia.training.detection.view_maps import ViewMaps
from dahlia.training.detection.views import Found
from dahlia.training.trainer import SafetensorsCheckpoints

_CLIP = 10.0
_RATE_OF_TAIL = 0.1  # what it knows of millions of photos is not to be lost to dozens
_SECONDS_BETWEEN = 15.0  # checkpoints
_STEPS_PER_ROW = 50  # of the history
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class RunData:
    """What a run looks at.

    Attributes:
        maps: of all photos.
        truth: of all photos.
        tags: K.
        rows: (n,) the photos that are learned from.
    """

    maps: ViewMaps
    truth: Sequence[Boxes]
    tags: int
    rows: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Learned:
    """What a run ends with.

    Attributes:
        weights: of the finder, averaged over the last steps.
        history: rows of numbers, one for each 50 steps.
    """

    weights: Weights
    history: list[dict[str, float]]


def train_run(
    finder: Finder,
    data: RunData,
    params: DetectionParams,
    *,
    steps: int,
    seed: int,
    checkpoint: Path,
    rate: float = 1.0,
    fresh: bool = True,
    progress: Callable[[int], None] = lambda done: None,
    clock: Callable[[], float] = time.monotonic,
) -> Learned:
    """Train in the calling thread.

    Args:
        finder: with the weights to start from; is changed.
        data: what it learns from.
        params: of the recipe.
        steps: of the optimiser.
        seed: of the order of photos.
        checkpoint: a file for what is done so far; a run that finds it goes on from there.
        rate: share of the learning rate of the parameters.
        fresh: whether the weights are random, so that places cannot be trusted at first.
        progress: is told how many more steps are done.
        clock: seconds that only grow.

    Raises:
        TrainingError: the loss is not finite, or the checkpoint is damaged.
        DahliaError: the checkpoint cannot be written.
    """
    files = SafetensorsCheckpoints()
    weights = photo_weights([data.truth[row] for row in data.rows], data.tags)
    plan = draws(
        weights,
        [view.mosaic for view in data.maps.views],
        steps=steps,
        batch_size=params.batch_size,
        seed=seed,
    )
    average = copy.deepcopy(finder).requires_grad_(False)
    optimiser = torch.optim.AdamW(_groups(finder, params, rate), fused=True)
    rates = [group["lr"] for group in optimiser.param_groups]
    history: list[dict[str, float]] = []
    done = 0
    if checkpoint.exists():
        kept = files.load_checkpoint(checkpoint)
        finder.load_state_dict(kept["weights"])
        average.load_state_dict(kept["average"])
        if kept["done"] < steps:
            optimiser.load_state_dict(kept["optimiser"])
        history, done = kept["history"], kept["done"]
        progress(done)
    finder.train()
    losses: list[tuple[float, float]] = []
    written = clock()
    for step in range(done, steps):
        for group, highest in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = highest * learning_rate(step, steps)
        batch = _batch(data, plan[step], finder.decoder.size)
        if not ends_plain(step, steps):
            rng = np.random.default_rng((seed, step))
            batch = batch.mixed(rng) if rng.random() < SHARE else batch
        losses.append(_step(finder, optimiser, batch, blend(step, steps) if fresh else 0.0))
        _follow(average, finder, min(params.averaging, (1 + step) / (10 + step)))
        progress(1)
        if (step + 1) % _STEPS_PER_ROW == 0 or step + 1 == steps:
            history.append(_row(step + 1, losses))
            losses = []
            if clock() - written > _SECONDS_BETWEEN or step + 1 == steps:
                state = optimiser.state_dict() if step + 1 < steps else {}
                files.save_checkpoint(_state(finder, average, state, history, step + 1), checkpoint)
                written = clock()
    return Learned(average.state_dict(), history)


def _state(
    finder: Finder, average: Finder, optimiser: dict[str, Any], history: list[dict[str, float]], done: int
) -> dict[str, Any]:
    return {
        "weights": finder.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser,
        "history": history,
        "done": done,
    }


def _groups(finder: nn.Module, params: DetectionParams, rate: float) -> list[dict[str, Any]]:
    """Weights decay; biases, norms and scales do not. Stages of the backbone learn more slowly."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, weight in finder.named_parameters():
        groups.setdefault((name.startswith("tail."), weight.ndim > 1), []).append(weight)
    return [
        {
            "params": weights,
            "lr": rate * params.learning_rate * (_RATE_OF_TAIL if is_tail else 1.0),
            "weight_decay": params.weight_decay if decays else 0.0,
        }
        for (is_tail, decays), weights in groups.items()
    ]


@dataclass(frozen=True)
class _Batch:
    """Maps of some views, and what these show.

    Attributes:
        maps: (N, C, h, w), the finest first.
        scenes: of each view tags (M,) and corners (M, 4) in pixels.
        size: edge of the photos in pixels.
    """

    maps: list[Tensor]
    scenes: list[Found]
    size: int

    def mixed(self, rng: np.random.Generator) -> _Batch:
        return _Batch(*mixed(self.maps, self.scenes, self.size, rng), self.size)


def _batch(data: RunData, drawn: npt.NDArray[np.int64], size: int) -> _Batch:
    views = [(data.maps.views[view], int(data.rows[photo])) for photo, view in drawn.tolist()]
    records = np.stack([data.maps.read(view, row) for view, row in views])
    return _Batch(data.maps.shapes.maps(records), [view.boxes(row) for view, row in views], size)


def _step(
    finder: Finder, optimiser: torch.optim.Optimizer, batch: _Batch, fixed: float
) -> tuple[float, float]:
    truth = truth_of(batch.scenes)
    logits, distances = finder(batch.maps)
    with torch.no_grad():
        assigned = assign(
            torch.sigmoid(logits),
            finder.decoder(distances),
            truth,
            finder.decoder.centres,
            finder.decoder.strides,
            blend=fixed,
        )
    loss = detection_loss(logits, finder.reaching(distances), truth, assigned)
    total = loss.total
    if not math.isfinite(total.item()):
        raise TrainingError(
            "The loss of the detector is not finite. Lower `training.detection.learning_rate`, or check the "
            "weights of the backbone."
        )
    optimiser.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(finder.parameters(), _CLIP)
    optimiser.step()
    return loss.scores.item(), loss.places.item()


def truth_of(scenes: Sequence[tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]]) -> Truth:
    """Tags (M,) and corners (M, 4) of each photo, filled up to as many as the fullest has."""
    most = max((len(tags) for tags, _ in scenes), default=0)
    tags = torch.full((len(scenes), most), -1, dtype=torch.int64)
    corners = torch.zeros(len(scenes), most, 4)
    for place, (of_photo, boxes) in enumerate(scenes):
        tags[place, : len(of_photo)] = torch.from_numpy(of_photo.astype(np.int64))
        corners[place, : len(of_photo)] = torch.from_numpy(boxes)
    return Truth(tags, corners)


def _row(step: int, losses: Sequence[tuple[float, float]]) -> dict[str, float]:
    scores, places = np.mean(np.array(losses or [(0.0, 0.0)]), 0).tolist()
    return {"optimiser_step": float(step), "loss_of_scores": scores, "loss_of_places": places}


@torch.no_grad()
def _follow(average: nn.Module, finder: nn.Module, share: float) -> None:
    followed, current = average.state_dict(), finder.state_dict()
    numbers = [name for name, value in followed.items() if value.is_floating_point()]
    torch._foreach_lerp_([followed[name] for name in numbers], [current[name] for name in numbers], 1 - share)
    for name, value in followed.items():
        if not value.is_floating_point():
            value.copy_(current[name])
