"""L-BFGS for many separate problems at once.

An optimiser that treats separate problems as one lets them share its steps, so what one head is fitted on
touches another as far as the optimum is missed. Here each problem has its own curvature, step length and end:
its answer is the same, to the last bit, whatever the others are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

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
