"""The classifier: pixels in, calibrated probabilities out, with nothing left to do outside."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from dahlia.kinds import Kind
from dahlia.modeling.backbones import Backbone


class Classifier(nn.Module):
    """Backbone, linear head, temperature, and softmax or sigmoid in one graph.

    Args:
        backbone: D features.
        tags: K, the number of outputs.
        kind: decides what becomes of logits; see `HEADS`.
    """

    temperature: Tensor

    def __init__(self, backbone: Backbone, tags: int, kind: Kind) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.features, tags)
        self.kind = kind
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB, 0 to 255, to (N, K) probabilities."""
        return HEADS[self.kind](self.head(self.backbone(pixels)) / self.temperature)


HEADS: dict[Kind, Callable[[Tensor], Tensor]] = {
    "multiclass": partial(torch.softmax, dim=-1),
    "multilabel": torch.sigmoid,
}
"""What makes probabilities of logits (..., K)."""
