"""How fast each part of a network learns."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from dahlia.modeling.classifier import Classifier
from dahlia.params import FineTuningParams

_LAST_STAGE = 8


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
