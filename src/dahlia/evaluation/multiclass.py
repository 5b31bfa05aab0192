"""How predictions are judged where one tag of an image is right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.confident_learning import FEWEST_PER_STATE, normalised, suspect
from dahlia.evaluation.judge import Found, Mask, Values, Words
from dahlia.modeling.predictions import ClassPredictions

SUM_TOLERANCE = 1e-3


class Multiclass:
    """The true tag of an image that has several is the one that the model finds most probable."""

    figure = "accuracy"
    by_threshold = False
    words = Words(
        one_right="is right",
        many_right="are right",
        were_right="were right",
        recognised="recognised",
        right_share="held-out photos right",
        confusion="Each row is a tag's photos, by their most probable tag.",
        tagging="tag",
        notes=("A photo of a tag is recognised when that tag is the most probable one.",),
    )

    def problem(self, predictions: ClassPredictions) -> str | None:
        """An image without a tag, or probabilities that do not sum to 1."""
        bad = ~predictions.truth.any(axis=1)
        if bad.any():
            return f"image {predictions.ids[int(np.argmax(bad))]} has no tag, expected at least one"
        bad = np.abs(predictions.probabilities.sum(axis=1) - 1) > SUM_TOLERANCE
        if bad.any():
            row = int(np.argmax(bad))
            total = predictions.probabilities[row].sum()
            return f"probabilities of image {predictions.ids[row]} sum to {total:.4g}, expected 1"
        return None

    def confusion(self, predictions: ClassPredictions, threshold: float) -> npt.NDArray[np.intp]:
        """(K, K): a row per true tag, a column per most probable one."""
        size = len(predictions.tags)
        pairs = _true_columns(predictions) * size + predictions.probabilities.argmax(axis=1)
        return np.bincount(pairs, minlength=size * size).reshape(size, size)

    def pairs(self, predictions: ClassPredictions, threshold: float) -> Iterator[tuple[str, str]]:
        """One of each image."""
        tops = predictions.probabilities.argmax(axis=1)
        for true, top in zip(_true_columns(predictions), tops, strict=True):
            yield predictions.tags[true], predictions.tags[top]

    def confidences(self, truth: Mask, probabilities: Values) -> tuple[Values, Mask]:
        """Of each image its most probable tag."""
        rows, top = np.arange(len(truth)), probabilities.argmax(axis=1)
        return probabilities[rows, top], truth[rows, top]

    def scores(self, squares: Values, losses: Values, shares: Values) -> tuple[float, float]:
        """Summed over the tags, losses by their shares; means over images."""
        return float(squares.sum(axis=1).mean()), float((losses * shares).sum(axis=1).mean())

    def losses(self, predictions: ClassPredictions, losses: Values) -> Values:
        """That of the true tag."""
        true = _true_columns(predictions)
        return np.asarray(losses[np.arange(len(true)), true])

    def unsure(self, predictions: ClassPredictions, threshold: float) -> Mask:
        """Those of which no true tag reaches the threshold."""
        return np.asarray(~((predictions.probabilities >= threshold) & predictions.truth).any(axis=1))

    def mistaken(self, chances: Values, truth: Mask, losses: Values, threshold: float) -> tuple[int, Mask]:
        """The most probable tag, which is the one predicted."""
        top = int(chances.argmax())
        return top, np.arange(len(chances)) == top

    def true_probability(self, chances: Values, truth: Mask, tag: int) -> float:
        """That of its true tag, the most probable one of several."""
        return float(chances[truth].max())

    def label_issues(self, predictions: ClassPredictions) -> list[Found]:
        """Among images with one tag, by the tags that enough of them have."""
        alone = predictions.truth.sum(axis=1) == 1  # of several tags none can be called the given one
        columns = np.flatnonzero(predictions.truth[alone].sum(axis=0) >= FEWEST_PER_STATE)
        rows = np.flatnonzero(alone & predictions.truth[:, columns].any(axis=1))
        if len(columns) < 2:
            return []
        probabilities = normalised(predictions.probabilities[np.ix_(rows, columns)])
        labels = predictions.truth[np.ix_(rows, columns)].argmax(axis=1)
        found: list[Found] = []
        for index in np.flatnonzero(suspect(labels, probabilities)):
            suggested = np.zeros(len(predictions.tags), bool)
            suggested[columns[probabilities[index].argmax()]] = True
            found.append((float(probabilities[index, labels[index]]), int(rows[index]), suggested))
        return found


def _true_columns(predictions: ClassPredictions) -> npt.NDArray[np.intp]:
    return np.asarray(np.where(predictions.truth, predictions.probabilities, -1.0).argmax(axis=1))
