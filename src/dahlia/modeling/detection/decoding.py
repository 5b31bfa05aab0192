"""From distances to boxes: where positions are, and what their boxes may be.

Boxes of output `boxes` are clipped to the photo. Those of output `grid` are too, and then their centre is
moved into the cell of the coarsest map in which their position lies: a grid of cells cannot say anything
else, and so nothing is lost when it is written as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Output = Literal["grid", "boxes"]

MARGIN = 0.01  # of a cell, between a centre and the cell's edge: the inverse of the sigmoid stays finite
LEAST_EDGE = 1.0  # pixels: the logarithm of a box's edge stays finite


@dataclass(frozen=True)
class Positions:
    """P positions, those of the finest map first, each map row by row.

    Attributes:
        centres: (P, 2) x, y in pixels.
        strides: (P,) pixels.
    """

    centres: Tensor
    strides: Tensor


def positions(size: int, strides: Sequence[int]) -> Positions:
    """The positions of maps of photos of `size` pixels; `size` is a multiple of each stride."""
    centres, of = [], []
    for stride in strides:
        places = (torch.arange(size // stride) + 0.5) * stride
        rows, columns = torch.meshgrid(places, places, indexing="ij")
        centres.append(torch.stack([columns, rows], -1).reshape(-1, 2))
        of.append(torch.full((len(centres[-1]),), float(stride)))
    return Positions(torch.cat(centres), torch.cat(of))


def cell_order(size: int, strides: Sequence[int]) -> Tensor:
    """(P,) which positions make up the cells of the coarsest map.

    Cells row by row; in each the positions of the finest map that lie in it, row by row, then those of the
    next.
    """
    found = positions(size, strides)
    coarsest = max(strides)
    cells = (found.centres // coarsest).long()
    cell = cells[:, 1] * (size // coarsest) + cells[:, 0]
    # Positions are in their order within a level already, and a stable sort keeps it.
    return torch.argsort(cell, stable=True)


class Decoder(nn.Module):
    """Distances of P positions to boxes.

    Args:
        size: edge of the photos in pixels.
        strides: of the maps.
        output: `boxes` or `grid`.
    """

    centres: Tensor
    strides: Tensor
    cells: Tensor

    def __init__(self, size: int, strides: Sequence[int], output: Output) -> None:
        super().__init__()
        found = positions(size, strides)
        self.size, self.output, self.coarsest = size, output, max(strides)
        self.register_buffer("centres", found.centres, persistent=False)
        self.register_buffer("strides", found.strides, persistent=False)
        corner = torch.div(found.centres, self.coarsest, rounding_mode="floor") * self.coarsest
        self.register_buffer("cells", corner, persistent=False)

    def forward(self, distances: Tensor) -> Tensor:
        """(N, P, 4) left, top, right, bottom in pixels to corners (N, P, 4) likewise."""
        start = (self.centres - distances[..., :2]).clamp(0, self.size)
        end = (self.centres + distances[..., 2:]).clamp(0, self.size)
        if self.output == "boxes":
            return torch.cat([start, end], -1)
        edges = (end - start).clamp(min=LEAST_EDGE)
        margin = MARGIN * self.coarsest
        lowest, highest = self.cells + margin, self.cells + self.coarsest - margin
        middle = torch.minimum(torch.maximum((start + end) / 2, lowest), highest)
        return torch.cat([middle - edges / 2, middle + edges / 2], -1)
