"""What a detector minimises: the error of its scores and of its places."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dahlia.training.detection.assignment import Assigned, Truth

_WEIGHT_OF_NOTHING = 0.75
_WEIGHT_OF_PLACES = 2.0
_EPSILON = 1e-7


@dataclass(frozen=True)
class DetectionLoss:
    """The parts of the loss of a batch, each divided by the sum of all targets.

    Attributes:
        scores: of all positions and tags.
        places: of the positions that learn a box.
    """

    scores: Tensor
    places: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.scores + _WEIGHT_OF_PLACES * self.places


def detection_loss(logits: Tensor, corners: Tensor, truth: Truth, assigned: Assigned) -> DetectionLoss:
    """The loss of a batch.

    Args:
        logits: (N, P, K).
        corners: (N, P, 4) predicted, in pixels, not clipped.
        truth: of the N photos.
        assigned: which positions learn which boxes.
    """
    scale = assigned.target.sum().clamp(min=1.0)
    photo, position = (assigned.box >= 0).nonzero(as_tuple=True)
    box = assigned.box[photo, position]
    aim = assigned.target[photo, position]
    targets = torch.zeros_like(logits)
    targets[photo, position, truth.tags[photo, box]] = aim
    places = (1 - generalised_overlap(corners[photo, position], truth.corners[photo, box])) * aim
    return DetectionLoss(varifocal(logits, targets).sum() / scale, places.sum() / scale)


def varifocal(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy with targets 0 to 1, in which easy positions that show nothing count little.

    Zhang, Wang, Dayoub and Sünderhauf, VarifocalNet, 2021: a target above 0 is its own weight; where it is 0,
    the weight is 0.75 times the squared score.

    Args:
        logits: any shape.
        targets: of the same shape.
    """
    scores = torch.sigmoid(logits.detach())
    weight = torch.where(targets > 0, targets, _WEIGHT_OF_NOTHING * scores * scores)
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none") * weight


def generalised_overlap(first: Tensor, second: Tensor) -> Tensor:
    """Generalised intersection over union, -1 to 1, of M pairs of corners (M, 4).

    Rezatofighi and others, Generalized Intersection over Union, 2019.
    """
    inner = (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])).clamp(
        min=0
    )
    outer = torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])
    shared, around = inner.prod(-1), outer.prod(-1).clamp(min=_EPSILON)
    areas = [(box[:, 2:] - box[:, :2]).prod(-1) for box in (first, second)]
    union = (areas[0] + areas[1] - shared).clamp(min=_EPSILON)
    return shared / union - (around - union) / around
