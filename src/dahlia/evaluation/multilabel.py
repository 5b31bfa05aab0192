"""How predictions are judged where any number of tags of an image are right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.confident_learning import FEWEST_PER_STATE, suspect
from dahlia.evaluation.judge import Found, Mask, Values, Words
from dahlia.modeling.predictions import ClassPredictions


class Multilabel:
    """Every pair of image and tag is judged by itself, all pairs pooled."""

    figure = "ap"
    by_threshold = True
    words = Words(
        one_right="has every tag right",
        many_right="have every tag right",
        were_right="had every tag right",
        recognised="found",
        right_share="right in every tag",
        confusion="Counts of photos at the threshold.",
        tagging="tagging",
    )

    def problem(self, predictions: ClassPredictions) -> str | None:
        """None."""
        return None

    def confusion(self, predictions: ClassPredictions, threshold: float) -> npt.NDArray[np.intp]:
        """(K, 4): true negatives, false positives, false negatives, true positives of each tag."""
        truth, chosen = predictions.truth, predictions.probabilities >= threshold
        cells = [~truth & ~chosen, ~truth & chosen, truth & ~chosen, truth & chosen]
        return np.stack([cell.sum(axis=0) for cell in cells], axis=1)

    def pairs(self, predictions: ClassPredictions, threshold: float) -> Iterator[tuple[str, str]]:
        """One of each image and tag."""
        chosen = predictions.probabilities >= threshold
        for truth, given in zip(predictions.truth, chosen, strict=True):
            for column, tag in enumerate(predictions.tags):
                absent = f"not {tag}"
                yield tag if truth[column] else absent, tag if given[column] else absent

    def confidences(self, truth: Mask, probabilities: Values) -> tuple[Values, Mask]:
        """Of every tag, whether it is there."""
        return probabilities.ravel(), truth.ravel()

    def scores(self, squares: Values, losses: Values, shares: Values) -> tuple[float, float]:
        """Means over images and tags."""
        return float(squares.mean()), float(losses.mean())

    def losses(self, predictions: ClassPredictions, losses: Values) -> Values:
        """Summed over the tags."""
        return np.asarray(losses.sum(axis=1))

    def unsure(self, predictions: ClassPredictions, threshold: float) -> Mask:
        """None: what is below the threshold is not given."""
        return np.zeros(len(predictions.ids), bool)

    def mistaken(self, chances: Values, truth: Mask, losses: Values, threshold: float) -> tuple[int, Mask]:
        """The tag with the greatest loss among those that are wrong."""
        given = chances >= threshold
        return int(np.where(given != truth, losses, -1.0).argmax()), given

    def true_probability(self, chances: Values, truth: Mask, tag: int) -> float:
        """That of the true state of `tag`."""
        return float(chances[tag] if truth[tag] else 1 - chances[tag])

    def label_issues(self, predictions: ClassPredictions) -> list[Found]:
        """By the tags that enough images have and enough lack."""
        present = predictions.truth.sum(axis=0)
        images = len(predictions.ids)
        wrong = np.zeros(predictions.truth.shape, bool)
        for column in np.flatnonzero(np.minimum(present, images - present) >= FEWEST_PER_STATE):
            chance = predictions.probabilities[:, column]
            wrong[:, column] = suspect(
                predictions.truth[:, column].astype(int), np.column_stack([1 - chance, chance])
            )
        given = np.where(predictions.truth, predictions.probabilities, 1 - predictions.probabilities)
        return [
            (float(given[row][wrong[row]].min()), int(row), predictions.truth[row] ^ wrong[row])
            for row in np.flatnonzero(wrong.any(axis=1))
        ]
