"""What training minimises, by kind; `dahlia.modeling.likelihoods` has the same in numpy."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional

from dahlia.kinds import Kind


class Loss(Protocol):
    """A loss of logits (..., K) against targets of the same shape, 0 to 1."""

    def targets(self, truth: Tensor) -> Tensor:
        """Of float truth (..., K), what it is compared with."""

    def with_slope(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss (...) of each row, and its derivative (..., K) by the logits."""

    def of_batch(self, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """The mean loss of a batch; `smoothing` of the labels is 0 to 1."""


class CrossEntropy:
    """Of softmax; an image with several tags has an equal part of each."""

    def targets(self, truth: Tensor) -> Tensor:
        """Rows sum to 1."""
        return truth / truth.sum(1, keepdim=True)

    def with_slope(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """See `Loss`."""
        logarithms = logits.log_softmax(-1)
        return -(targets * logarithms).sum(-1), logarithms.exp() - targets

    def of_batch(self, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """See `Loss`."""
        return functional.cross_entropy(logits, targets, label_smoothing=smoothing)


class BinaryCrossEntropy:
    """Of sigmoids, summed over the tags of a row, and their mean in a batch; labels are not smoothed."""

    def targets(self, truth: Tensor) -> Tensor:
        """The truth."""
        return truth

    def with_slope(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """See `Loss`."""
        loss = (functional.softplus(logits) - targets * logits).sum(-1)
        return loss, logits.sigmoid() - targets

    def of_batch(self, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """See `Loss`."""
        return functional.binary_cross_entropy_with_logits(logits, targets)


LOSSES: dict[Kind, Loss] = {"multiclass": CrossEntropy(), "multilabel": BinaryCrossEntropy()}
