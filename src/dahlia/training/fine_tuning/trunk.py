"""A backbone in two: its first stages, which stay as they are, and the rest, which learns from their maps.

What the first stages make of a photo is the same for every fold and every epoch, so it is computed once.
"""

from __future__ import annotations

import copy
from hashlib import sha256

import torch
from torch import Tensor, nn

from dahlia.modeling.backbones import Backbone
from dahlia.modeling.classifier import Classifier

_STEM = ("conv_stem", "bn1", "blocks")
_TOLERANCE = 1e-5  # absolute, of parts of unit length


def separable(backbone: Backbone, stages: int, size: int) -> int:
    """How many of the first `stages` can be computed apart, so that the rest makes the same features of them.

    None of networks that have no such stages, and none where the two parts together are another network: some
    have a layer that neither part contains.

    Args:
        backbone: on the CPU, in evaluation mode.
        stages: wanted.
        size: input edge in pixels.
    """
    if not all(hasattr(backbone.network, name) for name in _STEM):
        return 0
    stages = min(stages, len(backbone.network.blocks) - 1)
    return stages if stages > 0 and _same_together(backbone, stages, size) else 0


def _same_together(backbone: Backbone, stages: int, size: int) -> bool:
    pixels = torch.randint(256, (1, 3, size, size), generator=torch.Generator().manual_seed(0)).float()
    with torch.inference_mode():
        try:
            together = _tail(backbone, stages)(Trunk(backbone, stages)(pixels))
        except RuntimeError:  # shapes that do not fit each other
            return False
        return torch.allclose(together, backbone(pixels), rtol=0, atol=_TOLERANCE, equal_nan=True)


class Trunk(nn.Module):
    """Pixels to the map after the first stages.

    Args:
        backbone: whose layers are shared, not copied.
        stages: at least 1, see `separable`.

    Attributes:
        architecture: timm's name.
        fingerprint: SHA-256 of the backbone's and the number of stages.
    """

    def __init__(self, backbone: Backbone, stages: int) -> None:
        super().__init__()
        self.architecture = backbone.architecture
        self.fingerprint = sha256(f"{backbone.fingerprint} {stages}".encode()).hexdigest()
        self.backbone = backbone
        self.stages = stages

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB, 0 to 255, to (N, C, h, w)."""
        network = self.backbone.network
        seen: Tensor = network.bn1(network.conv_stem(self.backbone.prepared(pixels)))
        for block in network.blocks[: self.stages]:
            seen = block(seen)
        return seen


def tail_of(model: Classifier, stages: int) -> Classifier:
    """The model from the map after the first stages on; the names of its weights are those of the model.

    Args:
        model: stays as it is, and is the answer where no stage is left out.
        stages: left out.
    """
    if stages == 0:
        return model
    tail = copy.deepcopy(model)
    tail.backbone = _tail(model.backbone, stages)
    return tail


def _tail(backbone: Backbone, stages: int) -> Backbone:
    tail = copy.deepcopy(backbone)
    network = tail.network
    network.conv_stem, network.bn1 = nn.Identity(), nn.Identity()
    for number in range(stages):
        network.blocks[number] = nn.Identity()
    tail.mean, tail.std = torch.zeros(1), torch.ones(1)
    tail.smoothing = 0.0
    return tail
