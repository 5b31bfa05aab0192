"""The classifier: pixels in, calibrated probabilities out, with nothing left to do outside."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dahlia.modeling.backbones import Backbone


class Classifier(nn.Module):
    """Backbone, linear head, temperature, and softmax or sigmoid in one graph.

    Args:
        backbone: D features.
        tags: K, the number of outputs.
        classification: `multiclass` (probabilities sum to 1) or `multilabel` (independent).
    """

    temperature: Tensor

    def __init__(self, backbone: Backbone, tags: int, classification: str) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.features, tags)
        self.classification = classification
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB, 0 to 255, to (N, K) probabilities."""
        return probabilities(self.head(self.backbone(pixels)) / self.temperature, self.classification)


def probabilities(logits: Tensor, classification: str) -> Tensor:
    """(..., K) logits to probabilities: softmax for `multiclass`, sigmoid for `multilabel`."""
    return logits.softmax(-1) if classification == "multiclass" else logits.sigmoid()
