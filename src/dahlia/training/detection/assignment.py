"""Which positions learn which box: those that score its tag and place it best, as the model stands.

Task-aligned assignment: Feng, Zhong, Gao, Scott and Huang, TOOD, 2021. Scores and overlaps
are taken to half the powers that they have there: few photos teach scores late.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BEST = 10
_POWER_OF_SCORE = 0.5
_POWER_OF_OVERLAP = 3.0
FIXED_EDGE = 5.0  # strides: the box of every position that stands in for places which are not learned yet
_EPSILON = 1e-9


@dataclass(frozen=True)
class Truth:
    """True boxes of N photos, G at most in each; rows that are none have the tag -1.

    Attributes:
        tags: (N, G) int64.
        corners: (N, G, 4) float32 left, top, right, bottom in pixels.
    """

    tags: Tensor
    corners: Tensor

    @property
    def real(self) -> Tensor:
        """(N, G) bool."""
        return self.tags >= 0


@dataclass(frozen=True)
class Assigned:
    """What N photos with P positions are to say.

    Attributes:
        box: (N, P) int64: the number of the true box; -1 for none.
        target: (N, P) float32 score for that box's tag, 0 to 1; 0 where there is none.
    """

    box: Tensor
    target: Tensor


def pairwise_overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of corners (..., A, 4) and (..., B, 4): (..., A, B)."""
    first, second = first.unsqueeze(-2), second.unsqueeze(-3)
    across = torch.minimum(first[..., 2], second[..., 2]) - torch.maximum(first[..., 0], second[..., 0])
    down = torch.minimum(first[..., 3], second[..., 3]) - torch.maximum(first[..., 1], second[..., 1])
    shared = across.clamp(min=0) * down.clamp(min=0)
    areas = [(box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1]) for box in (first, second)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=_EPSILON)


def assign(
    scores: Tensor,
    corners: Tensor,
    truth: Truth,
    centres: Tensor,
    strides: Tensor,
    *,
    blend: float = 0.0,
    best: int = BEST,
) -> Assigned:
    """Assign true boxes to positions.

    A position may learn a box that its centre is in; of a box smaller than a stride, it is those next to its
    middle. Each box takes the positions of the greatest score ** 0.5 * overlap ** 3; a position
    that several boxes take learns the one that it overlaps most. The best position of a box is to score
    the greatest overlap of any of them, the others in proportion to what they were chosen by.

    Args:
        scores: (N, P, K) 0 to 1, without gradients, as are all.
        corners: (N, P, 4) predicted, in pixels.
        truth: of the N photos.
        centres: (P, 2) pixels.
        strides: (P,) pixels.
        blend: 0 to 1, how much the overlap of a fixed box around each position counts in place of the
            predicted one's.
        best: positions per box.
    """
    photos, count, _ = scores.shape
    boxes = truth.tags.shape[1]
    if boxes == 0:
        nothing = torch.zeros(photos, count, device=scores.device)
        return Assigned(nothing.long() - 1, nothing)
    overlap = pairwise_overlaps(truth.corners, corners)
    if blend > 0:
        half = (strides * FIXED_EDGE / 2)[:, None]
        fixed = torch.cat([centres - half, centres + half], -1)
        overlap = (1 - blend) * overlap + blend * pairwise_overlaps(
            truth.corners, fixed.expand(photos, -1, -1)
        )
    wanted = truth.tags.clamp(min=0)[:, :, None].expand(-1, -1, count)
    of_tag = scores.transpose(1, 2).gather(1, wanted)
    metric = of_tag**_POWER_OF_SCORE * overlap**_POWER_OF_OVERLAP
    metric = metric * _reachable(truth, centres, strides)
    chosen = torch.zeros_like(metric, dtype=torch.bool)
    top = metric.topk(min(best, count), -1)
    chosen.scatter_(2, top.indices, top.values > _EPSILON)
    rival = torch.where(chosen, overlap, -1.0)
    box = rival.argmax(1)
    taken = chosen.any(1)
    mine = chosen & (torch.arange(boxes, device=box.device)[None, :, None] == box[:, None])
    kept = metric * mine
    share = kept / kept.amax(-1, keepdim=True).clamp(min=_EPSILON)
    greatest = (overlap * mine).amax(-1, keepdim=True)
    target = (share * greatest).sum(1)
    return Assigned(torch.where(taken, box, -1), torch.where(taken, target, 0.0))


def _reachable(truth: Truth, centres: Tensor, strides: Tensor) -> Tensor:
    """(N, G, P): whether a position's centre is in a box, whose edges are taken for a stride at least."""
    middle = (truth.corners[..., :2] + truth.corners[..., 2:]) / 2
    half = (truth.corners[..., 2:] - truth.corners[..., :2]) / 2
    away = (centres[None, None] - middle[:, :, None]).abs()
    near = (away < torch.maximum(half[:, :, None], strides[None, None, :, None] / 2 + _EPSILON)).all(-1)
    return near & truth.real[:, :, None]
