"""The backbones that people use, with random weights, in every form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from following import following_once
from torch import nn

from dahlia.export.coreml.convert import Converted, Form, convert
from dahlia.export.coreml.interpreter.model import Interpreted
from dahlia.export.coreml.package import write_network, write_package
from dahlia.export.coreml.precision import halve_weights
from dahlia.export.port import Source
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.classifier import Classifier

pytestmark = pytest.mark.slow

SIZE = 96
FIXED = "vit_tiny_patch16_224"
ARCHITECTURES = (
    "mobilenetv3_large_100",
    "tf_efficientnet_lite0",
    "efficientnet_b0",
    "resnet18",
    "convnextv2_atto",
    FIXED,
)


def network_of(architecture: str) -> nn.Module:
    torch.manual_seed(0)
    if architecture == FIXED:
        network: Any = timm.create_model(architecture, num_classes=3, img_size=SIZE)
        norm = nn.BatchNorm2d(3)
        norm.running_mean, norm.running_var = torch.full((3,), 120.0), torch.full((3,), 3600.0)
        return nn.Sequential(norm, network, nn.Softmax(-1)).eval()
    model = Classifier(Backbone(architecture, None), 3, "multiclass").eval()
    with torch.no_grad():
        model.head.weight *= 30  # answers of random weights are all alike
    return model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_architecture_is_written_in_every_form(
    source_once: Source, tmp_path: Path, architecture: str
) -> None:
    module = network_of(architecture)
    card = source_once.card
    card = card.model_copy(update={"input": card.input.model_copy(update={"size": SIZE})})
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, SIZE, SIZE)).astype(np.float32)
    pixels[1] = pixels[1] // 8 + np.arange(SIZE, dtype=np.float32)
    with torch.inference_mode():
        answers = module(torch.from_numpy(pixels)).numpy()

    def converted(form: Form) -> Converted:
        scratch = tmp_path / form
        scratch.mkdir()
        return convert(module, card, form, scratch)

    def difference(converted: Converted) -> float:
        if converted.weights is None:
            path = tmp_path / "model.mlmodel"
            write_network(path, converted.model)
        else:
            path = tmp_path / "model.mlpackage"
            write_package(path, converted)
        return float(np.abs(Interpreted(path).run(pixels) - answers).max())

    with following_once({}):
        assert difference(converted("program")) < 1e-5
        assert difference(converted("program-float16")) < 1e-2
        network = converted("network")
    assert difference(network) < 1e-5
    halve_weights(network.model.neuralNetworkClassifier)
    assert difference(network) < 1e-2
