"""The classifier: pixels in, calibrated probabilities out, with nothing left to do outside; and its bundle.

The bundle is all that a trained model is: `model.safetensors`, `model.json` and `reference.parquet`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from dahlia.kinds import Kind
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.bundle_files import backbone_of, load_files, save_files, with_weights
from dahlia.modeling.card import ModelCard
from dahlia.modeling.reference import ClassReference, save_reference


class Classifier(nn.Module):
    """Backbone, linear head, temperature, softmax or sigmoid, and the gate in one graph.

    Args:
        backbone: D features.
        tags: K, the number of outputs.
        kind: decides what becomes of logits; see `HEADS`.
        gated: whether there is a gate: the log odds that a photo shows any of the tags.
    """

    temperature: Tensor

    def __init__(self, backbone: Backbone, tags: int, kind: Kind, *, gated: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.features, tags)
        self.gate = nn.Linear(backbone.features, 1) if gated else None
        self.kind = kind
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB, 0 to 255, to (N, K) probabilities."""
        features = self.backbone(pixels)
        probabilities = HEADS[self.kind](self.head(features) / self.temperature)
        if self.gate is None:
            return probabilities
        return probabilities * torch.sigmoid(self.gate(features))


HEADS: dict[Kind, Callable[[Tensor], Tensor]] = {
    "multiclass": partial(torch.softmax, dim=-1),
    "multilabel": torch.sigmoid,
}
"""What makes probabilities of logits (..., K), before the gate."""


GATE = "gate.weight"
_NETWORK = "backbone.network."


def save_bundle(folder: Path, model: Classifier, card: ModelCard, reference: ClassReference) -> None:
    """Write the bundle, whole or not at all."""
    save_files(folder, model, card, lambda staged: save_reference(staged, reference))


def load_bundle(folder: Path) -> tuple[Classifier, ModelCard]:
    """Read a bundle; the model is in evaluation mode.

    Raises:
        TrainingError: a file is missing, damaged, or does not fit the other.
    """
    tensors, card = load_files(folder)
    backbone = backbone_of(card, tensors, _NETWORK)
    model = Classifier(backbone, len(card.tags), card.kind, gated=GATE in tensors)
    return with_weights(model, tensors, card, folder), card


def set_head(model: Classifier, weight: torch.Tensor, bias: torch.Tensor, temperature: float) -> None:
    """Put a fitted head, (D, K) and (K,), and its temperature into the classifier."""
    with torch.no_grad():
        model.head.weight.copy_(weight.T)
        model.head.bias.copy_(bias)
        model.temperature.fill_(temperature)


def set_gate(model: Classifier, weight: torch.Tensor, bias: float) -> None:
    """Give the classifier a gate, (D,) and its bias, or another one."""
    gate = nn.Linear(model.backbone.features, 1)
    with torch.no_grad():
        gate.weight.copy_(weight[None])
        gate.bias.fill_(bias)
    model.gate = gate.eval()
