"""Popular compact networks: converted whole, they say what torch says."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from tensorflow_cases import measured, transposes
from torch import Tensor, nn

from dahlia.export.tensorflow.convert import convert
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.classifier import Classifier

pytestmark = pytest.mark.slow

SIZE = 96
CONVOLUTIONAL = [
    "mobilenetv3_large_100",
    "mobilenetv4_conv_small",
    "tf_efficientnet_lite0",
    "resnet18",
    "hgnetv2_b0",
    "repvit_m0_9",
    "fastvit_t8",
    "mobileone_s0",
    "efficientnet_b0",
]


class Everything(nn.Module):
    """Features and probabilities side by side, as both are compared."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pixels: Tensor) -> Tensor:
        features: list[Tensor] = []
        seen = self.classifier.backbone.register_forward_hook(lambda *given: features.append(given[-1]))
        probabilities = self.classifier(pixels)
        seen.remove()
        return torch.cat([probabilities, *features], 1)


def difference(module: nn.Module, graph_function: object, count: int) -> tuple[float, float]:
    """The largest difference on some images, and the largest number."""
    import tensorflow as tf

    pixels = np.random.default_rng(count).uniform(0, 255, (count, 3, SIZE, SIZE)).astype(np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(pixels)).numpy()
    received = graph_function(tf.constant(pixels.transpose(0, 2, 3, 1))).numpy()  # type: ignore[operator]
    assert received.shape == expected.shape
    return float(np.abs(received - expected).max()), float(np.abs(expected).max())


@pytest.mark.parametrize("architecture", CONVOLUTIONAL)
def test_convolutional_networks(architecture: str) -> None:
    torch.manual_seed(0)
    classifier = Classifier(Backbone(architecture, None), 5, "multiclass")
    nn.init.normal_(classifier.head.weight, std=3)
    module = Everything(classifier).eval()
    graph = convert(module, SIZE, domain="General (compact)")
    assert transposes(graph) == []
    function = graph.function()
    for count in (1, 3):
        largest, scale = difference(module, function, count)
        assert largest <= 1e-5
        assert scale > 0.1


def test_transformer() -> None:
    torch.manual_seed(0)
    module = timm.create_model("vit_tiny_patch16_224", num_classes=5, dynamic_img_size=True).eval()
    nn.init.normal_(module.head.weight, std=0.5)
    graph = convert(measured(module), SIZE, domain="General")
    # Queries, keys and values of each head side by side, and back: four for each of the twelve blocks.
    assert len(transposes(graph)) == 48
    function = graph.function()
    for count in (1, 3):
        largest, scale = difference(module, function, count)
        assert largest <= 1e-5 * scale
