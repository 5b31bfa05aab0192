from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_project import card

from dahlia.export.onnx import port
from dahlia.export.port import Source
from dahlia.modeling.card import BackboneCard, InputCard
from dahlia.serving.activation import Activation

pytestmark = pytest.mark.slow

SIZE = 96
ARCHITECTURES = (
    "mobilenetv3_small_050",  # averaged twice: as it is, and before a layer of the network's own head
    "mobilenetv4_conv_small",
    "test_byobnet",
    "test_convnext",
    "test_efficientnet",  # two maps: of the last stage, and what a convolution makes of it for the classifier
    "test_mambaout",  # channels last
    "test_nfnet",
    "test_resnet",
)
WIDENING = ("test_efficientnet",)


def publish(folder: Path, architecture: str) -> Any:
    """Write a network of chance as it is published, and give its module."""
    import torch

    from dahlia.modeling.backbones import Backbone
    from dahlia.modeling.classifier import Classifier, save_bundle
    from dahlia.modeling.reference import ClassReference

    torch.manual_seed(0)
    classifier = Classifier(Backbone(architecture, None), 3, "multiclass").eval()
    torch.nn.init.normal_(classifier.head.weight)
    backbone = BackboneCard(
        architecture=architecture,
        weights="none",
        fingerprint="0" * 64,
        features=classifier.backbone.features,
        mean=classifier.backbone.normalisation[0],
        std=classifier.backbone.normalisation[1],
        reads=classifier.backbone.reads,
    )
    made = card().model_copy(update={"backbone": backbone, "input": InputCard(size=SIZE)})
    save_bundle(folder / "bundle", classifier, made, ClassReference((), np.zeros((0, 3), np.float32)))
    port.write(folder, Source(folder / "bundle", made, folder / "cache", list), "float32")
    (folder / "model.json").write_bytes((folder / "bundle" / "model.json").read_bytes())
    return classifier


def grad_cam(classifier: Any, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The maps by automatic differentiation, the lengths of features held fixed."""
    import torch

    backbone = classifier.backbone
    data = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))
    seen = (data - backbone.mean) / backbone.std
    with torch.no_grad():
        maps = late = backbone.network.forward_features(seen)
        if backbone.architecture in WIDENING:
            maps, (late,) = backbone.network.forward_intermediates(seen, 1)
    leaves = [maps.requires_grad_()] if maps is late else [maps.requires_grad_(), late.requires_grad_()]
    last = backbone.network.forward_head(maps, pre_logits=True)
    channels = 3 if getattr(backbone.network, "output_fmt", "NCHW") == "NHWC" else 1
    positions = (1, 2) if channels == 3 else (2, 3)
    parts = [last] if late.shape[channels] == last.shape[1] else [late.mean(positions), last]
    features = torch.cat([part / part.detach().norm() for part in parts], 1)
    cells = maps.shape[positions[0]] * maps.shape[positions[1]]
    found = []
    for logit in classifier.head(features)[0] / classifier.temperature:
        slopes = torch.autograd.grad(logit, leaves, retain_graph=True)
        along = zip(slopes, leaves, strict=True)
        found.append(sum((slope * leaf * cells).sum(channels)[0].detach().numpy() for slope, leaf in along))
    return np.array(found)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_maps_are_those_of_automatic_differentiation(tmp_path: Path, architecture: str) -> None:
    classifier = publish(tmp_path, architecture)
    pixels = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    expected = grad_cam(classifier, pixels)
    found = Activation(tmp_path).maps(pixels, [0, 1, 2])
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.01 * np.abs(expected).max()


def test_where_maps_are_joined_their_mean_is_the_logit_less_its_bias(tmp_path: Path) -> None:
    import torch

    classifier = publish(tmp_path, "test_efficientnet")
    assert classifier.backbone.features == 64 + 256
    pixels = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    data = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))
    with torch.no_grad():
        logits = (classifier.backbone(data) @ classifier.head.weight.T / classifier.temperature)[0]
    maps = Activation(tmp_path).maps(pixels, [0, 1, 2])
    np.testing.assert_allclose(maps.mean((1, 2)), logits, rtol=5e-3, atol=5e-3)
