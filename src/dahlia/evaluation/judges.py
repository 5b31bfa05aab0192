"""How predictions of tags are judged: what judging needs to know of their kind, and the judge of each.

Labels that are likely wrong are found by confident learning (Northcutt, Jiang and Chuang 2021) on held-out
probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dahlia.kinds import Kind
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


FEWEST_PER_STATE = 2
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
        """An image without a tag, or probabilities that do not sum to 1; with a gate, to more."""
        bad = ~predictions.truth.any(axis=1)
        if bad.any():
            return f"image {predictions.ids[int(np.argmax(bad))]} has no tag, expected at least one"
        surplus = predictions.probabilities.sum(axis=1) - 1
        bad = (surplus if predictions.gated else np.abs(surplus)) > SUM_TOLERANCE
        if bad.any():
            row = int(np.argmax(bad))
            total, most = predictions.probabilities[row].sum(), "at most 1" if predictions.gated else "1"
            return f"probabilities of image {predictions.ids[row]} sum to {total:.4g}, expected {most}"
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
        probabilities = _normalised(predictions.probabilities[np.ix_(rows, columns)])
        labels = predictions.truth[np.ix_(rows, columns)].argmax(axis=1)
        found: list[Found] = []
        for index in np.flatnonzero(_suspect(labels, probabilities)):
            suggested = np.zeros(len(predictions.tags), bool)
            suggested[columns[probabilities[index].argmax()]] = True
            found.append((float(probabilities[index, labels[index]]), int(rows[index]), suggested))
        return found


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
            wrong[:, column] = _suspect(
                predictions.truth[:, column].astype(int), np.column_stack([1 - chance, chance])
            )
        given = np.where(predictions.truth, predictions.probabilities, 1 - predictions.probabilities)
        return [
            (float(given[row][wrong[row]].min()), int(row), predictions.truth[row] ^ wrong[row])
            for row in np.flatnonzero(wrong.any(axis=1))
        ]


JUDGES: dict[Kind, Judge] = {"multiclass": Multiclass(), "multilabel": Multilabel()}
FIGURES: dict[Kind, str] = {kind: judge.figure for kind, judge in JUDGES.items()} | {"detection": "map50"}
"""By which figure of `reports/metrics.json` trials are compared; the highest wins."""


def _true_columns(predictions: ClassPredictions) -> npt.NDArray[np.intp]:
    return np.asarray(np.where(predictions.truth, predictions.probabilities, -1.0).argmax(axis=1))


def _suspect(labels: npt.NDArray[np.int_], probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """The examples (N,) whose label is likely wrong.

    Args:
        labels: (N,) the number of a class each.
        probabilities: (N, C) rows sum to 1.
    """
    from cleanlab import filter as confident_learning

    # in this process: its worker pool costs more than the work
    mask: npt.NDArray[np.bool_] = confident_learning.find_label_issues(labels, probabilities, n_jobs=1)
    mask &= probabilities.argmax(axis=1) != labels
    return mask


def _normalised(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows that sum to 1; even ones where all are 0."""
    total = probabilities.sum(axis=1, keepdims=True)
    even = np.full_like(probabilities, 1 / probabilities.shape[1])
    np.divide(probabilities, total, out=even, where=total > 0)
    return even
