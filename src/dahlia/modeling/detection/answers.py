"""A detector that answers as its exports do: the grid of YOLOv2, or corners and scores before suppression.

For what is written from modules of torch. `dahlia.export.onnx.box_outputs` adds the same to graphs of ONNX.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from dahlia.modeling.detection.detector import Detector
from dahlia.modeling.detection.grid import ANCHORS, INSIDE, NOTHING, PLACE


class GridAnswer(nn.Module):
    """Answers the grid (N, 5 * (5 + K), H, W) that `dahlia.modeling.detection.grid` reads.

    A place whose scores are s gets the objectness whose sigmoid is their sum, and the class logits log(s).

    Args:
        detector: of output `grid`; its parts are shared, not copied.

    Attributes:
        architecture: the name of the backbone in timm.
    """

    corner: Tensor
    anchor: Tensor

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        self.architecture = detector.architecture
        self.cells = detector.size // max(detector.strides)
        rows, columns = np.divmod(np.repeat(np.arange(self.cells**2), len(ANCHORS)), self.cells)
        corner = np.stack([columns, rows], 1)[None].astype(np.float32)
        self.register_buffer("corner", torch.from_numpy(corner), persistent=False)
        anchor = np.tile(np.array(ANCHORS, np.float32), (self.cells**2, 1))[None]
        self.register_buffer("anchor", torch.from_numpy(anchor), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, size, size) float32 RGB, 0 to 255, to the grid."""
        places, scores = self.detector(pixels)
        edges = places[..., 2:4] * self.cells
        inside = places[..., 0:2] * self.cells + edges * 0.5 - self.corner
        numbers = torch.cat(
            [
                _logit(inside),
                torch.log(edges.clamp(min=INSIDE) / self.anchor),
                _logit(scores.sum(-1, keepdim=True)),
                torch.log(scores.clamp(min=NOTHING)),
            ],
            -1,
        )
        channels = len(ANCHORS) * (PLACE + scores.shape[-1])
        return numbers.reshape(-1, self.cells, self.cells, channels).permute(0, 3, 1, 2)


class CornerAnswer(nn.Module):
    """Answers left, top, right and bottom edges and scores, before suppression.

    Args:
        detector: its parts are shared, not copied.

    Attributes:
        architecture: the name of the backbone in timm.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        self.architecture = detector.architecture

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels as a detector takes them, to corners (N, P, 4) in fractions, and scores (N, P, K)."""
        places, scores = self.detector(pixels)
        start = places[..., 0:2]
        return torch.cat([start, start + places[..., 2:4]], -1), scores


def _logit(share: Tensor) -> Tensor:
    share = share.clamp(INSIDE, 1 - INSIDE)
    return torch.log(share / (1 - share))
