"""Linear heads on frozen features: many of them, fitted together.

Cross-validation asks for one head per held-out part and per strength of regularisation. They share the
features, so they are fitted as one convex problem: one matrix product per step serves all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Event

import torch
from torch import Tensor

from dahlia.errors import TrainingError
from dahlia.kinds import Kind
from dahlia.terminal import progress_bar
from dahlia.training.optimisation import LOSSES, minimise
from dahlia.training.threads import in_threads, one_thread, thread_count

# p (1 - p) of a typical prediction while a head is being fitted; it only decides the speed.
_TYPICAL_CURVATURE = 0.1
_HEADS_AT_ONCE = 16
_LARGE = 10**8  # multiplications of a product; threads that take turns with the interpreter lose below
_ROWS_AT_ONCE = 4096
_TOLERANCE = 1e-4
_LEAST_GAIN = 1e-6


@dataclass(frozen=True)
class HeadProblems:
    """P heads to fit on the same N rows of D features and K tags.

    Attributes:
        features: (N, D) float32.
        targets: (N, K) float32, 0 to 1; rows sum to 1 in a multiclass problem.
        rows: (P, N) bool: which rows each head is fitted on.
        kind: decides the loss; see `LOSSES`.
    """

    features: Tensor
    targets: Tensor
    rows: Tensor
    kind: Kind


@dataclass(frozen=True)
class PrincipalAxes:
    """Where features vary.

    Attributes:
        centre: (D,) their mean.
        axes: (D, A) orthonormal columns, A at most min(N, D); directions without variance are left out.
        variances: (A,) along them.
    """

    centre: Tensor
    axes: Tensor
    variances: Tensor


@dataclass(frozen=True)
class Heads:
    """P fitted heads: logits of head p are `features @ weight[p] + bias[p]`.

    Attributes:
        weight: (P, D, K).
        bias: (P, K).
    """

    weight: Tensor
    bias: Tensor

    @one_thread()
    def logits(self, features: Tensor, head: int) -> Tensor:
        """(M, D) features to (M, K) logits of one head."""
        return features @ self.weight[head] + self.bias[head]


class _Fit:
    """P heads along falling strengths; those of each strength start from those of the last.

    Each head minimises mean loss + strength / 2 * ||weights||^2 over its rows: the multinomial, or binary,
    logistic regression of Hastie, Tibshirani and Friedman, The Elements of Statistical Learning,
    section 4.4. The weights are written in the principal axes of the features, each scaled by the curvature
    expected along it. That changes the path to the optimum (tens of steps instead of hundreds), not the
    optimum.

    Args:
        problems: what to fit; their features (N, A) are along the axes.
        principal: of the problems' features.
        max_iterations: L-BFGS steps per strength at most.
    """

    def __init__(self, problems: HeadProblems, principal: PrincipalAxes, max_iterations: int) -> None:
        self.max_iterations = max_iterations
        self.loss = LOSSES[problems.kind]
        self.features, self.targets = problems.features, problems.targets
        rows = problems.rows.float()
        self.share = rows / rows.sum(1, keepdim=True)
        self.centre, self.axes = principal.centre.float(), principal.axes.float()
        self.variances = principal.variances.float()
        self.shape = (len(rows), len(self.variances) + 1, problems.targets.shape[1])
        # The last row of each head is its bias, which is not regularised.
        self.weight = torch.zeros(self.shape)
        self.scale: Tensor | None = None

    def at(self, strength: float) -> Heads:
        """The heads of the next strength.

        Raises:
            TrainingError: a loss is not finite.
        """
        scale = self._scale(strength)
        previous = scale if self.scale is None else self.scale
        start = self.weight * (previous / scale)[:, None]
        found = minimise(
            partial(self._objective, strength, scale),
            start.flatten(1),
            max_iterations=self.max_iterations,
            tolerance=_TOLERANCE,
            least_gain=_LEAST_GAIN,
        )
        self.weight, self.scale = found.view(self.shape), scale
        weight, bias = self._in_axes(self.weight, scale)
        weight = self.axes @ weight
        return Heads(weight, bias - self.centre @ weight)

    def _in_axes(self, parameters: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        unscaled = parameters * scale[:, None]
        return unscaled[:, :-1], unscaled[:, -1]

    def _objective(self, strength: float, scale: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
        """(P, M) parameters to the P values and the (P, M) gradient."""
        weight, bias = self._in_axes(point.view(self.shape), scale)
        heads, axes, tags = weight.shape
        flat = weight.permute(1, 0, 2).reshape(axes, heads * tags)
        logits = (self.features @ flat).view(-1, heads, tags) + bias
        loss, slope = self.loss.with_slope(logits, self.targets[:, None])
        value = (loss * self.share.T).sum(0) + weight.square().sum((1, 2)) * (strength / 2)
        if not torch.isfinite(value).all():
            raise TrainingError(
                f"The loss of the heads became infinite or no number at strength {strength:g}, expected "
                "a finite number. Check `training.regularisation` and the weights of the backbone."
            )
        slope = slope * self.share.T[:, :, None]
        towards = (self.features.T @ slope.flatten(1)).view(axes, heads, tags).permute(1, 0, 2)
        gradient = torch.cat([towards + strength * weight, slope.sum(0)[:, None]], 1)
        return value, (gradient * scale[:, None]).flatten(1)

    def _scale(self, strength: float) -> Tensor:
        scale = (_TYPICAL_CURVATURE * self.variances + strength).rsqrt()
        return torch.cat([scale, scale.new_tensor([_TYPICAL_CURVATURE]).rsqrt()])


def fit_heads(
    problems: HeadProblems,
    strengths: Sequence[float],
    *,
    max_iterations: int,
    principal: PrincipalAxes | None = None,
) -> list[Heads]:
    """Fit all problems for each strength.

    Args:
        problems: P of them; memory is bounded however many there are.
        strengths: each > 0.
        max_iterations: L-BFGS steps per strength at most.
        principal: of the features, where they are known already.

    Returns:
        One `Heads` (P heads) per strength, in the order of `strengths` sorted to fall.

    Raises:
        TrainingError: a loss is not finite.
    """
    falling = sorted(strengths, reverse=True)
    axes = principal or principal_axes(problems.features)
    stopped, workers = Event(), thread_count()
    with progress_bar("heads") as progress, one_thread():  # the number of threads is also one of the process
        features = _in_axes(problems.features, axes)
        parts = torch.split(problems.rows, _heads_at_once(features, problems.targets))

        def path(rows: Tensor) -> list[Heads]:
            fitting = _Fit(replace(problems, rows=rows, features=features), axes, max_iterations)
            wanted = (strength for strength in progress.track(falling) if not stopped.is_set())
            return [fitting.at(strength) for strength in wanted]

        paths = list(in_threads(path, parts, workers, stopped))
    return [
        Heads(torch.cat([heads.weight for heads in same]), torch.cat([heads.bias for heads in same]))
        for same in zip(*paths, strict=True)
    ]


def _heads_at_once(features: Tensor, targets: Tensor) -> int:
    """By the problem only, not by the cores: the last bits of a product may change with its width."""
    large = features.numel() * targets.shape[1] * _HEADS_AT_ONCE > _LARGE
    return _HEADS_AT_ONCE // 2 if large else _HEADS_AT_ONCE


@one_thread()
def principal_axes(features: Tensor) -> PrincipalAxes:
    """The principal axes of features (N, D), in float64; of many features no float64 copy is made."""
    count, size = features.shape
    centre = features.mean(0, dtype=torch.float64)
    if count < size:
        centred = features - centre
        values, vectors = torch.linalg.eigh(centred @ centred.T)
    else:
        parts = (part - centre for part in torch.split(features, _ROWS_AT_ONCE))
        values, vectors = torch.linalg.eigh(sum((part.T @ part for part in parts), torch.zeros(())))
    kept = values > values.max().clamp_min(1e-12) * 1e-9
    values, vectors = values[kept], vectors[:, kept]
    axes = centred.T @ vectors / values.sqrt() if count < size else vectors
    return PrincipalAxes(centre, axes, values / count)


def _in_axes(features: Tensor, principal: PrincipalAxes) -> Tensor:
    parts = torch.split(features, _ROWS_AT_ONCE)
    return torch.cat([((part - principal.centre) @ principal.axes).float() for part in parts])
