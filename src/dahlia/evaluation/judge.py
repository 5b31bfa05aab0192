"""What judging predictions of tags needs to know of their kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dahlia.modeling.predictions import ClassPredictions

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Found = tuple[float, int, Mask]
"""How probable an image's tags are, its row, and the tags (K,) that it should rather have."""


@dataclass(frozen=True)
class Words:
    """Parts of sentences.

    Attributes:
        one_right: what follows the number of photos judged right, of one.
        many_right: the same, of several.
        were_right: the same, of the past.
        recognised: photos of a tag that were judged right.
        right_share: the axis of a chart: the share of photos judged right.
        confusion: what the table of confusions counts.
        tagging: what is probable or not.
        notes: on how photos are judged, where the threshold does not say it.
    """

    one_right: str
    many_right: str
    were_right: str
    recognised: str
    right_share: str
    confusion: str
    tagging: str
    notes: tuple[str, ...] = ()


class Judge(Protocol):
    """How predictions for N images and K tags are judged.

    Attributes:
        figure: the one that trials are compared by, a key of `reports/metrics.json`.
        by_threshold: whether an image gets every tag that reaches the threshold, not the most probable one.
        words: for summary and report.
    """

    figure: str
    by_threshold: bool
    words: Words

    def problem(self, predictions: ClassPredictions) -> str | None:
        """Why they cannot be judged; None if they can."""

    def confusion(self, predictions: ClassPredictions, threshold: float) -> npt.NDArray[np.intp]:
        """Counts of images; see `dahlia.evaluation.figures.Confusion` for their layout."""

    def pairs(self, predictions: ClassPredictions, threshold: float) -> Iterator[tuple[str, str]]:
        """What is true and what was predicted, image by image."""

    def confidences(self, truth: Mask, probabilities: Values) -> tuple[Values, Mask]:
        """(M,) probabilities, and whether what they are of is true."""

    def scores(self, squares: Values, losses: Values, shares: Values) -> tuple[float, float]:
        """Brier score and negative log-likelihood, of (N, K) squared errors, `tag_losses` and shares."""

    def losses(self, predictions: ClassPredictions, losses: Values) -> Values:
        """(N,) the loss of each image, of its `tag_losses`."""

    def unsure(self, predictions: ClassPredictions, threshold: float) -> Mask:
        """(N,) images that are shown among the mistakes though they may be right."""

    def mistaken(self, chances: Values, truth: Mask, losses: Values, threshold: float) -> tuple[int, Mask]:
        """Of an image with (K,) probabilities: the tag that is most wrong, and the tags (K,) predicted."""

    def true_probability(self, chances: Values, truth: Mask, tag: int) -> float:
        """Of an image with (K,) probabilities that went wrong in `tag`, that of what is true."""

    def label_issues(self, predictions: ClassPredictions) -> list[Found]:
        """Images whose tags are likely wrong."""
