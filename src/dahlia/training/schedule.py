"""How the rate of learning and the average of the weights change over a run."""

from __future__ import annotations

import math


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
