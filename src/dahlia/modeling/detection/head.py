"""The head: for each position of each map, a logit for each tag, and distances to the edges of a box.

One head for all levels, with a normalisation for each: Lyu and others, RTMDet: An Empirical Study of
Designing Real-Time Object Detectors, 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

RARE = 0.01  # score of every tag at the start: nearly all positions show nothing


class Branch(nn.Module):
    """Blocks of a depthwise and a pointwise convolution, shared by all levels but for their norms.

    Args:
        width: channels in and out.
        depth: blocks.
        levels: that share them.
    """

    def __init__(self, width: int, depth: int, levels: int) -> None:
        super().__init__()
        self.around = nn.ModuleList(
            nn.Conv2d(width, width, 3, 1, 1, groups=width, bias=False) for _ in range(depth)
        )
        self.across = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for _ in range(depth))
        self.norms = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(width) for _ in range(depth)) for _ in range(levels)
        )

    def forward(self, seen: Tensor, level: int) -> Tensor:
        """(N, width, h, w) of a level to the same shape."""
        norms: nn.Module = self.norms[level]
        assert isinstance(norms, nn.ModuleList)
        for around, across, norm in zip(self.around, self.across, norms, strict=True):
            seen = functional.relu6(norm(across(around(seen))))
        return seen


class DetectionHead(nn.Module):
    """Maps to logits and distances.

    Args:
        width: channels of the maps.
        tags: K.
        strides: of the maps, in pixels.
        depth: blocks of each branch.
    """

    def __init__(self, width: int, tags: int, strides: Sequence[int], depth: int = 2) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.class_branch = Branch(width, depth, len(self.strides))
        self.box_branch = Branch(width, depth, len(self.strides))
        self.classes = nn.Conv2d(width, tags, 1)
        self.edges = nn.Conv2d(width, 4, 1)
        self.scales = nn.Parameter(torch.zeros(len(self.strides)))
        for layer, bias in ((self.classes, -math.log((1 - RARE) / RARE)), (self.edges, 1.0)):
            assert layer.bias is not None
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps (N, width, h, w) to logits (N, P, K) and distances (N, P, 4) in pixels.

        Distances are from a position to the left, top, right and bottom edge of its box, all above 0.
        The P positions are those of the first level row by row, then those of the next.
        """
        logits, distances = [], []
        for number, (seen, stride) in enumerate(zip(levels, self.strides, strict=True)):
            logits.append(self.classes(self.class_branch(seen, number)).flatten(2))
            raw = functional.softplus(self.edges(self.box_branch(seen, number)))
            distances.append((raw * (2.0 * stride * torch.exp(self.scales[number]))).flatten(2))
        return torch.cat(logits, 2).transpose(1, 2), torch.cat(distances, 2).transpose(1, 2)
