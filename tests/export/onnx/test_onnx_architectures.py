"""Small networks of other families, in every precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from dahlia.export.onnx import port as onnx_port
from dahlia.export.onnx.graph import probability_graph
from dahlia.export.openvino import port as openvino_port
from dahlia.export.port import Batch, Port, Source

pytestmark = pytest.mark.slow

# Numbers by chance: what 8 bits change in them says nothing but that they are computed at all.
FORMS = [
    (onnx_port, "float32", 1e-4),
    (onnx_port, "float16", 1e-2),
    (onnx_port, "int8", 0.3),
    (openvino_port, "float16", 1e-2),
    (openvino_port, "int8", 0.3),
]
ARCHITECTURES = (
    "test_byobnet",
    "test_convnext",
    "test_efficientnet",
    "test_efficientnet_gn",
    "test_mambaout",
    "test_nfnet",
)


def of_chance(source: Source, architecture: str) -> Source:
    """A bundle of a network with random weights."""
    import torch
    from safetensors.torch import save_file

    from dahlia.modeling.backbones import Backbone
    from dahlia.modeling.card import BackboneCard, save_card
    from dahlia.modeling.classifier import Classifier

    torch.manual_seed(0)
    model = Classifier(Backbone(architecture, None), len(source.card.tags), "multiclass")
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, source.bundle / "model.safetensors")
    backbone = model.backbone
    card = source.card.model_copy(
        update={
            "temperature": 1.0,
            "backbone": BackboneCard(
                architecture=architecture,
                weights="none",
                fingerprint=backbone.fingerprint,
                features=backbone.features,
                mean=backbone.normalisation[0],
                std=backbone.normalisation[1],
                reads=backbone.reads,
            ),
        }
    )
    save_card(source.bundle, card)
    return replace(source, card=card)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_other_networks_say_what_their_module_says(
    tmp_path: Path, source: Source, pixels: Batch, architecture: str
) -> None:
    import torch

    source = of_chance(source, architecture)
    with torch.inference_mode():
        answers = source.module()(torch.from_numpy(pixels)).numpy()
    assert answers.shape == (len(pixels), 3)
    found = [
        difference(tmp_path / str(one), source, pixels, answers, *form[:2]) for one, form in enumerate(FORMS)
    ]
    assert all(one <= allowed for one, (*_, allowed) in zip(found, FORMS, strict=True)), found
    exact = onnxruntime.InferenceSession(probability_graph(source).SerializeToString())
    assert np.abs(exact.run(["model_output"], {"data": pixels})[0] - answers).max() <= 1e-4


def difference(
    folder: Path, source: Source, pixels: Batch, answers: Batch, port: Port, flavour: str
) -> float:
    from dahlia.export.port import write_labels

    folder.mkdir()
    port.write(folder, source, flavour)
    write_labels(folder, source.card)
    with port.opened(folder) as opened:
        return float(np.abs(opened.run(pixels) - answers).max())
