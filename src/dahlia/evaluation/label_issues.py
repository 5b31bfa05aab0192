"""Likely wrong tags, by confident learning (Northcutt, Jiang, Chuang 2021) on held-out probabilities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.figures import LabelIssue
from dahlia.modeling.predictions import Predictions

FEWEST_PER_STATE = 2


def find_label_issues(predictions: Predictions, paths: Mapping[str, str]) -> tuple[LabelIssue, ...]:
    """The images whose tags are likely wrong, most likely first.

    A tag that fewer than `FEWEST_PER_STATE` images have (or, multilabel, lack) is left out: nothing can
    be learned of it.

    Args:
        predictions: N held-out images.
        paths: image id to path.
    """
    if predictions.classification == "multiclass":
        found = _multiclass(predictions)
    else:
        found = _multilabel(predictions)
    return tuple(
        LabelIssue(
            image=predictions.ids[row],
            path=paths.get(predictions.ids[row]),
            given=_names(predictions, predictions.truth[row]),
            suggested=_names(predictions, suggested),
            score=score,
        )
        for score, row, suggested in sorted(found, key=lambda issue: issue[:2])
    )


_Found = list[tuple[float, int, npt.NDArray[np.bool_]]]


def _multiclass(predictions: Predictions) -> _Found:
    alone = predictions.truth.sum(axis=1) == 1  # of several tags none can be called the given one
    columns = np.flatnonzero(predictions.truth[alone].sum(axis=0) >= FEWEST_PER_STATE)
    rows = np.flatnonzero(alone & predictions.truth[:, columns].any(axis=1))
    if len(columns) < 2:
        return []
    probabilities = _normalised(predictions.probabilities[np.ix_(rows, columns)])
    labels = predictions.truth[np.ix_(rows, columns)].argmax(axis=1)
    found: _Found = []
    for index in np.flatnonzero(_suspect(labels, probabilities)):
        suggested = np.zeros(len(predictions.tags), bool)
        suggested[columns[probabilities[index].argmax()]] = True
        found.append((float(probabilities[index, labels[index]]), int(rows[index]), suggested))
    return found


def _multilabel(predictions: Predictions) -> _Found:
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


def _suspect(labels: npt.NDArray[np.int_], probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    from cleanlab import filter as confident_learning

    # in this process: its worker pool costs more than the work
    mask: npt.NDArray[np.bool_] = confident_learning.find_label_issues(labels, probabilities, n_jobs=1)
    mask &= probabilities.argmax(axis=1) != labels
    return mask


def _normalised(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    total = probabilities.sum(axis=1, keepdims=True)
    even = np.full_like(probabilities, 1 / probabilities.shape[1])
    np.divide(probabilities, total, out=even, where=total > 0)
    return even


def _names(predictions: Predictions, chosen: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(tag for tag, keep in zip(predictions.tags, chosen, strict=True) if keep)
