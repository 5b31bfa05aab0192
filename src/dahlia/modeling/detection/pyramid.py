"""The neck: maps of several strides joined, so that each knows what the finer and the coarser ones show.

Top-down, then bottom-up: Liu, Qi, Qin, Shi and Jia, Path Aggregation Network for Instance Segmentation, 2018.
Maps are added, as Tan, Pang and Le do in EfficientDet, 2020; joined side by side they cost twice as much.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional


class Separable(nn.Module):
    """A depthwise 3x3 convolution, a pointwise one, batch normalisation, and ReLU6.

    Args:
        width: channels in and out.
        stride: 1, or 2 to halve a map.
    """

    def __init__(self, width: int, stride: int = 1) -> None:
        super().__init__()
        self.around = nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False)
        self.across = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, seen: Tensor) -> Tensor:
        """(N, width, h, w) to the same, or half of h and w."""
        return functional.relu6(self.norm(self.across(self.around(seen))))


class Pyramid(nn.Module):
    """Maps of a backbone to as many of `width` channels.

    Args:
        channels: of the maps, the finest first; each map has half the edge of the one before.
        width: channels of what comes out.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        steps = range(len(channels) - 1)
        self.entries = nn.ModuleList(
            nn.Sequential(nn.Conv2d(each, width, 1, bias=False), nn.BatchNorm2d(width)) for each in channels
        )
        self.down = nn.ModuleList(Separable(width) for _ in steps)
        self.halve = nn.ModuleList(Separable(width, 2) for _ in steps)
        self.up = nn.ModuleList(Separable(width) for _ in steps)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N, C, h, w), the finest first, to (N, width, h, w) in the same order."""
        levels = [entry(seen) for entry, seen in zip(self.entries, maps, strict=True)]
        for number in range(len(levels) - 2, -1, -1):
            coarser = functional.interpolate(levels[number + 1], scale_factor=2.0, mode="nearest")
            levels[number] = self.down[number](levels[number] + coarser)
        for number in range(len(levels) - 1):
            levels[number + 1] = self.up[number](levels[number + 1] + self.halve[number](levels[number]))
        return levels
