"""What training minimises, by kind, and how: the solver for heads, and the rates of fine-tuning.

`dahlia.modeling.likelihoods` has the losses in numpy. The solver is L-BFGS for many separate problems at
once. An optimiser that treats separate problems as one lets them share its steps, so what one head is
fitted on touches another as far as the optimum is missed. Here each problem has its own curvature, step
length and end: its answer is the same, to the last bit, whatever the others are. The rates say how fast
each part of a network learns, and how that and the average of the weights change over a run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from dahlia.kinds import Kind
from dahlia.modeling.classifier import Classifier
from dahlia.params import FineTuningParams


class Loss(Protocol):
    """A loss of logits (..., K) against targets of the same shape, 0 to 1."""

    def targets(self, truth: Tensor) -> Tensor:
        """Of float truth (..., K), what it is compared with."""

    def with_slope(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss (...) of each row, and its derivative (..., K) by the logits."""

    def of_batch(self, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """The mean loss of a batch; `smoothing` of the labels is 0 to 1."""


class CrossEntropy:
    """Of softmax; an image with several tags has an equal part of each."""

    def targets(self, truth: Tensor) -> Tensor:
        """Rows sum to 1."""
        return truth / truth.sum(1, keepdim=True)

    def with_slope(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """See `Loss`."""
        logarithms = logits.log_softmax(-1)
        return -(targets * logarithms).sum(-1), logarithms.exp() - targets

    def of_batch(self, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """See `Loss`."""
        return functional.cross_entropy(logits, targets, label_smoothing=smoothing)


class BinaryCrossEntropy:
    """Of sigmoids, summed over the tags of a row, and their mean in a batch; labels are not smoothed."""

    def targets(self, truth: Tensor) -> Tensor:
        """The truth."""
        return truth

    def with_slope(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """See `Loss`."""
        loss = (functional.softplus(logits) - targets * logits).sum(-1)
        return loss, logits.sigmoid() - targets

    def of_batch(self, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """See `Loss`."""
        return functional.binary_cross_entropy_with_logits(logits, targets)


LOSSES: dict[Kind, Loss] = {"multiclass": CrossEntropy(), "multilabel": BinaryCrossEntropy()}


Objective = Callable[[Tensor], tuple[Tensor, Tensor]]

_MEMORY = 10
_SUFFICIENT = 1e-4
_HALVINGS = 20


@dataclass
class _Curvature:
    """The last steps s and changes of gradient y of each problem; a pair of zeros says nothing."""

    steps: list[Tensor] = field(default_factory=list)
    changes: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    scale: Tensor | None = None

    def remember(self, step: Tensor, change: Tensor) -> None:
        """Keep a pair for the problems in which it bends upwards."""
        curvature, squares = _dot(step, change), _dot(change, change)
        usable = curvature > 1e-10 * squares
        weight = torch.where(usable, 1 / curvature, 0.0)
        previous = torch.ones_like(curvature) if self.scale is None else self.scale
        self.scale = torch.where(usable, curvature / squares, previous)
        self.steps = [*self.steps[1 - _MEMORY :], step * usable[:, None]]
        self.changes = [*self.changes[1 - _MEMORY :], change * usable[:, None]]
        self.weights = [*self.weights[1 - _MEMORY :], weight]

    def direction(self, gradient: Tensor) -> Tensor:
        """Two-loop recursion: Nocedal and Wright, Numerical Optimization, algorithm 7.4."""
        if self.scale is None:
            return -gradient / gradient.abs().sum(1, keepdim=True).clamp_min(1)
        result, shares = gradient.clone(), []
        pairs = list(zip(self.steps, self.changes, self.weights, strict=True))
        for step, change, weight in reversed(pairs):
            share = weight * _dot(step, result)
            shares.append(share)
            result -= share[:, None] * change
        result *= self.scale[:, None]
        for (step, change, weight), share in zip(pairs, reversed(shares), strict=True):
            result += (share - weight * _dot(change, result))[:, None] * step
        return -result


def minimise(
    objective: Objective, start: Tensor, *, max_iterations: int, tolerance: float, least_gain: float
) -> Tensor:
    """Minimise P smooth convex functions, each of its own row.

    Args:
        objective: (P, M) points to their (P,) values and (P, M) gradients.
        start: (P, M).
        max_iterations: steps at most.
        tolerance: a problem ends when no element of its gradient is larger, ...
        least_gain: ... or when a step lowers its value by less than this share.

    Returns:
        (P, M) the best points found.
    """
    point, curvature = start, _Curvature()
    value, gradient = objective(point)
    going = gradient.abs().amax(1) > tolerance
    for _ in range(max_iterations):
        if not going.any():
            break
        direction = curvature.direction(gradient) * going[:, None]
        slope = _dot(direction, gradient)
        length = torch.ones_like(value)
        for _ in range(_HALVINGS):
            candidate = point + length[:, None] * direction
            new_value, new_gradient = objective(candidate)
            accepted = (new_value <= value + _SUFFICIENT * length * slope) | ~going
            if accepted.all():
                break
            length = torch.where(accepted, length, length / 2)
        # A step that lowers nothing even when it is tiny has met the precision of the numbers.
        moved = accepted & going
        step = torch.where(moved[:, None], candidate - point, 0.0)
        curvature.remember(step, torch.where(moved[:, None], new_gradient - gradient, 0.0))
        gained = value - new_value > least_gain * value.abs()
        point = point + step
        value = torch.where(moved, new_value, value)
        gradient = torch.where(moved[:, None], new_gradient, gradient)
        going = moved & gained & (gradient.abs().amax(1) > tolerance)
    return point


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(1)


_LAST_STAGE = 8


def rate_factor(step: int, steps: int, warm_up: float) -> float:
    """Linear warm-up, then half a cosine to zero.

    Args:
        step: from 0.
        steps: in all.
        warm_up: share of the steps, 0 to 1; one step at least.

    Returns:
        What the rate is multiplied by, 0 to 1.
    """
    warm = max(1, round(warm_up * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))


def averaged_share(step: int, averaging: float) -> float:
    """The share of the present weights in their average after that step, 0 to 1.

    `1 - averaging` in the end. At first more: an average over 50 steps would hold a run of 30 back, so it
    grows with the steps, as TensorFlow's `ExponentialMovingAverage(num_updates=...)` does.
    """
    return 1 - min(averaging, (1 + step) / (10 + step))


def parameter_groups(model: Classifier, params: FineTuningParams) -> list[dict[str, Any]]:
    """An optimiser's groups: rates fall from the head to the stem, biases and scales do not decay."""
    named = list(model.backbone.network.named_parameters())
    deepest = max((_stage(name) for name, _ in named), default=0)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        rate = params.learning_rate * params.layer_decay ** (deepest - _stage(name))
        groups.setdefault((rate, _decay(parameter, params)), []).append(parameter)
    for parameter in model.head.parameters():
        groups.setdefault((params.learning_rate, _decay(parameter, params)), []).append(parameter)
    return [
        {"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()
    ]


def _decay(parameter: nn.Parameter, params: FineTuningParams) -> float:
    return params.weight_decay if parameter.ndim > 1 else 0.0


def _stage(name: str) -> int:
    """Stem first, then timm's numbered stages, then whatever comes after them."""
    found = re.match(r"(?:blocks|layers?|stages)\.?(\d+)", name)
    if found:
        return int(found.group(1)) + 1
    return 0 if re.match(r"(conv_stem|bn1|conv1|stem|patch_embed|cls_token|pos_embed)", name) else _LAST_STAGE
