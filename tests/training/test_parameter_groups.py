from __future__ import annotations

import pytest
import torch

from dahlia.modeling.backbones import Backbone
from dahlia.modeling.classifier import Classifier
from dahlia.training.optimisation import _stage, parameter_groups
from tuning_cases import tuning


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("conv_stem.weight", 0),
        ("conv1.0.weight", 0),
        ("patch_embed.proj.weight", 0),
        ("blocks.0.0.conv.weight", 1),
        ("layer3.1.bn1.weight", 4),
        ("stages.2.blocks.0.conv_dw.weight", 3),
        ("conv_head.weight", 8),
        ("norm.weight", 8),
    ],
)
def test_stages_of_timm(name: str, stage: int) -> None:
    assert _stage(name) == stage


def test_rates_fall_from_the_head_to_the_stem(tiny_backbone: Backbone) -> None:
    model = Classifier(tiny_backbone, 2, "multiclass")
    groups = parameter_groups(model, tuning())
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    decays = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    parameters = dict(model.named_parameters())
    assert set(rates) == {id(parameter) for parameter in parameters.values()}
    along = ["conv1.0.weight", "layer1.0.conv1.weight", "layer2.0.conv1.weight", "layer4.0.conv1.weight"]
    ladder = [rates[id(parameters[f"backbone.network.{name}"])] for name in along]
    ladder.append(rates[id(parameters["head.weight"])])
    assert ladder[:-1] == sorted(set(ladder[:-1]))
    assert ladder[-1] >= ladder[-2]
    assert ladder[-1] == tuning().learning_rate
    assert decays[id(parameters["head.bias"])] == 0
    assert decays[id(parameters["head.weight"])] == tuning().weight_decay
    assert len(groups) < len(parameters)
    torch.optim.AdamW(groups)
