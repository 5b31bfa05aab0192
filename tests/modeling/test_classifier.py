from __future__ import annotations

import numpy as np
import pytest
import torch

from dahlia.modeling.backbones import Backbone
from dahlia.modeling.classifier import HEADS, Classifier, set_gate, set_head
from dahlia.modeling.likelihoods import LIKELIHOODS

PIXELS = torch.randint(0, 256, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float()


def make(backbone: Backbone, classification: str, temperature: float = 1.0) -> Classifier:
    torch.manual_seed(3)
    model = Classifier(backbone, 4, classification)
    set_head(model, torch.randn(backbone.features, 4) * 5, torch.randn(4), temperature)
    return model.eval()


@torch.inference_mode()
def answers(model: Classifier) -> torch.Tensor:
    return model(PIXELS)


def test_multiclass_sums_to_one(tiny_backbone: Backbone) -> None:
    found = answers(make(tiny_backbone, "multiclass"))
    assert found.shape == (5, 4)
    torch.testing.assert_close(found.sum(1), torch.ones(5))


def test_multilabel_tags_are_independent(tiny_backbone: Backbone) -> None:
    model = make(tiny_backbone, "multilabel")
    before = answers(model)
    with torch.no_grad():
        model.head.bias[0] += 3
    after = answers(model)
    assert (after[:, 0] > before[:, 0]).all()
    assert torch.equal(after[:, 1:], before[:, 1:])
    assert not torch.allclose(after.sum(1), torch.ones(5))


@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
def test_temperature_softens_and_keeps_the_order(tiny_backbone: Backbone, classification: str) -> None:
    sharp, soft = (answers(make(tiny_backbone, classification, t)) for t in (1.0, 4.0))
    assert torch.equal(sharp.argsort(1), soft.argsort(1))
    assert ((soft - soft.mean()).abs().sum() < (sharp - sharp.mean()).abs().sum()).item()


@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
def test_torch_and_numpy_agree(classification: str) -> None:
    logits = np.random.default_rng(0).normal(0, 30, (50, 4))
    expected = HEADS[classification](torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(LIKELIHOODS[classification].probabilities(logits), expected, atol=1e-12)


def test_a_head_is_set_in_place(tiny_backbone: Backbone) -> None:
    model = Classifier(tiny_backbone, 2, "multiclass")
    weight, bias = torch.randn(tiny_backbone.features, 2), torch.randn(2)
    set_head(model, weight, bias, 2.5)
    with torch.inference_mode():
        logits = (tiny_backbone(PIXELS) @ weight + bias) / 2.5
    torch.testing.assert_close(answers(model), logits.softmax(1))


@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
def test_a_gate_lowers_all_tags_alike(tiny_backbone: Backbone, classification: str) -> None:
    model = make(tiny_backbone, classification)
    before = answers(model)
    set_gate(model, torch.randn(tiny_backbone.features), -0.5)
    after = answers(model)
    with torch.inference_mode():
        share = torch.sigmoid(model.gate(model.backbone(PIXELS)))
    torch.testing.assert_close(after, before * share)
    assert torch.equal(before.argsort(1), after.argsort(1))


def test_what_is_missing_to_one_is_none_of_the_tags() -> None:
    chances = np.array([[0.5, 0.2], [0.6, 0.4], [0.0, 0.0]])
    np.testing.assert_allclose(LIKELIHOODS["multiclass"].none(chances), [0.3, 0, 1], atol=1e-12)
    np.testing.assert_allclose(LIKELIHOODS["multilabel"].none(chances), [0.4, 0.24, 1], atol=1e-12)
