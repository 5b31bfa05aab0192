"""How fast each part of a network learns, and how that and the average of the weights change over a run."""

from __future__ import annotations

import math
import re
from typing import Any

from torch import nn

from dahlia.modeling.classifier import Classifier
from dahlia.params import FineTuningParams

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
