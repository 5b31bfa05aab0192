"""Precision/recall and ROC curves per tag."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.figures import Curves
from dahlia.modeling.predictions import ClassPredictions

MAX_POINTS = 200

Values = npt.NDArray[np.float64]


def curves(predictions: ClassPredictions) -> tuple[Curves, ...]:
    """The curves of each tag, at most `MAX_POINTS` points each, by falling threshold.

    A precision/recall curve is empty for a tag without positives; a ROC curve also without negatives.
    """
    return tuple(
        _curves(tag, predictions.truth[:, column], predictions.probabilities[:, column])
        for column, tag in enumerate(predictions.tags)
    )


def _curves(tag: str, truth: npt.NDArray[np.bool_], scores: Values) -> Curves:
    recall, precision = _precision_recall(truth, scores)
    false_positives, true_positives = _roc(truth, scores)
    return Curves(
        tag=tag,
        precision=tuple(precision),
        recall=tuple(recall),
        false_positive_rate=tuple(false_positives),
        true_positive_rate=tuple(true_positives),
    )


def _precision_recall(truth: npt.NDArray[np.bool_], scores: Values) -> tuple[list[float], list[float]]:
    if not truth.any():
        return [], []
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(truth, scores, drop_intermediate=True)
    # scikit-learn ends with the point (0, 1), which no threshold gives
    return _thin(recall[:-1][::-1]), _thin(precision[:-1][::-1])


def _roc(truth: npt.NDArray[np.bool_], scores: Values) -> tuple[list[float], list[float]]:
    if truth.all() or not truth.any():
        return [], []
    from sklearn.metrics import roc_curve

    false_positives, true_positives, _ = roc_curve(truth, scores)
    return _thin(false_positives), _thin(true_positives)


def _thin(values: Values) -> list[float]:
    if len(values) <= MAX_POINTS:
        return [float(value) for value in values]
    kept = np.linspace(0, len(values) - 1, MAX_POINTS).round().astype(int)
    return [float(value) for value in values[kept]]
