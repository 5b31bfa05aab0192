"""Figures of iterations that classify at any threshold, and what those of detectors share with them.

Precision, recall and average precision at a threshold are counted as `dahlia.evaluation.metrics` counts, so
that the API and the report say the same:

- A prediction counts when its probability reaches the threshold, also in a multiclass project: at 0.5 one tag
  of an image can, or two that share it evenly; below, several may.
- Precision is correct / predicted, recall is correct / actual; overall, pairs of image and tag are pooled.
- Average precision ranks the predictions of all folds together; overall, it is the mean over the tags that an
  image has.
- Every tag counts for which there are predictions, the negative tag of a multiclass project too.

Only held-out predictions count. The user's own test set, of which the API knows nothing, is judged in the
report. What is not defined, the precision of a tag that is never predicted, is 0.0, as the API has no null.

The deviations are those between the folds, merged to five where there are more: the original judged by
cross-validation too. They are standard deviations of the figures that the folds have (not estimates for more
folds: no unbiased one exists, Bengio and Grandvalet 2004), and 0.0 where fewer than two folds have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.dataset.fold_numbers import merged
from dahlia.dataset.manifest import TEST_FOLD
from dahlia.errors import EvaluationError
from dahlia.evaluation.resampling import average_precisions
from dahlia.modeling.predictions import ClassPredictions

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
_CELLS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class TagScore:
    """One tag at a threshold; each figure 0 to 1."""

    tag: str
    precision: float
    precision_std: float
    recall: float
    recall_std: float
    average_precision: float


@dataclass(frozen=True)
class Score:
    """All tags at a threshold, in the order of the predictions' columns; each figure 0 to 1."""

    per_tag: tuple[TagScore, ...]
    precision: float
    precision_std: float
    recall: float
    recall_std: float
    average_precision: float


@dataclass(frozen=True)
class FixedFigures:
    """What does not depend on the threshold, reckoned once.

    Attributes:
        fold: (N,) of each image, merged to five: of ten, a fold may have a single image of a tag.
        folds: (F,) those that were held out.
        actual: (F, K) images of the fold that have the tag.
        average_precision: (K,) 0.0 for a tag that no image has.
    """

    fold: npt.NDArray[np.int32]
    folds: npt.NDArray[np.int32]
    actual: Counts
    average_precision: Values

    @property
    def mean_average_precision(self) -> float:
        """Over the tags that an image has; 0.0 where there is none."""
        had = self.actual.any(axis=0)
        return float(self.average_precision[had].mean()) if had.any() else 0.0


def score(predictions: ClassPredictions, threshold: float, fixed: FixedFigures | None = None) -> Score:
    """The figures at a threshold.

    Args:
        predictions: of an iteration; see `ClassPredictions`.
        threshold: 0 to 1.
        fixed: what `fixed_figures_of` gave for these predictions; None to reckon it.

    Raises:
        EvaluationError: the threshold is out of range, or no image was held out.
    """
    check_share("threshold", threshold)
    known = fixed or fixed_figures_of(predictions)
    predicted, correct = _counts(predictions, known, threshold)
    return score_of(
        predictions.tags,
        predicted,
        correct,
        known.actual,
        known.average_precision,
        known.mean_average_precision,
    )


def check_share(name: str, value: float) -> None:
    """Refuse what is no share.

    Raises:
        EvaluationError: it is not between 0 and 1.
    """
    if not 0 <= value <= 1:
        raise EvaluationError(f"The {name} must be between 0 and 1, received {value}. Send another.")


def score_of(
    tags: Sequence[str],
    predicted: Counts,
    correct: Counts,
    actual: Counts,
    average_precision: Values,
    mean_average_precision: float,
) -> Score:
    """The figures of K tags in F folds.

    Args:
        tags: K names.
        predicted: (F, K) what counts.
        correct: (F, K) of that what is right.
        actual: (F, K) what is there to be found.
        average_precision: (K,)
        mean_average_precision: of the tags that are there.
    """
    counts = (predicted, correct, actual)
    columns = [*_figures(*counts), average_precision]
    precision, precision_std, recall, recall_std = (
        float(figure[0]) for figure in _figures(*(count.sum(axis=1, keepdims=True) for count in counts))
    )
    return Score(
        per_tag=tuple(
            TagScore(tag, *(float(column[place]) for column in columns)) for place, tag in enumerate(tags)
        ),
        precision=precision,
        precision_std=precision_std,
        recall=recall,
        recall_std=recall_std,
        average_precision=mean_average_precision,
    )


def fixed_figures_of(predictions: ClassPredictions) -> FixedFigures:
    """What all thresholds share.

    Raises:
        EvaluationError: no image was held out.
    """
    held_out = predictions.fold != TEST_FOLD
    fold = predictions.fold.copy()
    fold[held_out] = merged(fold[held_out])
    folds = np.unique(fold[held_out])
    if not len(folds):
        raise EvaluationError(
            "This iteration has no held-out predictions, expected at least one. Train the project again."
        )
    aps = [
        _average_precision(predictions.truth[held_out, column], predictions.probabilities[held_out, column])
        for column in range(len(predictions.tags))
    ]
    actual = np.array([predictions.truth[fold == part].sum(axis=0) for part in folds], np.int64)
    return FixedFigures(fold, folds, actual, np.array(aps))


def _average_precision(truth: npt.NDArray[np.bool_], scores: Values) -> float:
    if not truth.any():
        return 0.0
    # What ranks below the last image with the tag adds nothing; with many tags, that is nearly everything.
    ranked = scores >= scores[truth].min()
    kept = truth[ranked], scores[ranked]
    return float(average_precisions(*kept, np.ones((1, len(kept[0]))))[0])


def _counts(predictions: ClassPredictions, known: FixedFigures, threshold: float) -> tuple[Counts, Counts]:
    """Predictions that count (F, K), and of them those that are right."""
    shape = (len(known.folds), len(predictions.tags))
    predicted, correct = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    step = max(1, _CELLS_AT_ONCE // shape[1])
    for start in range(0, len(predictions.ids), step):
        rows = slice(start, start + step)
        # Counts of so few rows are exact in float32, and its matrix product adds up all folds at once.
        member = (known.fold[rows] == known.folds[:, None]).astype(np.float32)
        counted = predictions.probabilities[rows] >= threshold
        predicted += (member @ counted.astype(np.float32)).astype(np.int64)
        correct += (member @ (counted & predictions.truth[rows]).astype(np.float32)).astype(np.int64)
    return predicted, correct


def _figures(predicted: Counts, correct: Counts, actual: Counts) -> tuple[Values, Values, Values, Values]:
    """Precision, its deviation, recall, its deviation, each (K,), of counts (F, K)."""
    return (
        _ratio(correct.sum(axis=0), predicted.sum(axis=0)),
        _deviation(correct, predicted),
        _ratio(correct.sum(axis=0), actual.sum(axis=0)),
        _deviation(correct, actual),
    )


def _ratio(above: Counts, below: Counts) -> Values:
    return np.divide(above, below, out=np.zeros(above.shape), where=below > 0)


def _deviation(above: Counts, below: Counts) -> Values:
    defined = below > 0
    number = np.maximum(defined.sum(axis=0), 1)
    ratios = _ratio(above, below)
    mean = ratios.sum(axis=0) / number
    squares = np.where(defined, (ratios - mean) ** 2, 0.0)
    deviations: Values = np.sqrt(squares.sum(axis=0) / number)
    return deviations
