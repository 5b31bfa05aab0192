"""Precision, recall, F1 and average precision, per tag and overall, each with its interval; and curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.figures import Curves, Estimate, OverallFigures, TagFigures
from dahlia.evaluation.intervals import proportion, resampled, undefined
from dahlia.evaluation.resampling import Weights, average_precisions
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.predictions import ClassPredictions

MAX_POINTS = 200

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rules:
    """How figures are counted and how wide intervals are.

    Attributes:
        threshold: a prediction counts when its probability reaches it.
        confidence: of the intervals.
        share: see `dahlia.evaluation.intervals.independent_share`.
        weights: (B, N) see `dahlia.evaluation.resampling`.
        learned: see `dahlia.evaluation.intervals.learned_share`.
    """

    threshold: float
    confidence: float
    share: float
    weights: Weights
    learned: float = 1.0

    def proportion(self, successes: int, images: int) -> Estimate:
        """See `dahlia.evaluation.intervals.proportion`."""
        return proportion(successes, images, self.confidence, self.share, self.learned)

    def resampled(
        self, value: float | None, draws: Values, images: int, trials: float | None = None
    ) -> Estimate:
        """See `dahlia.evaluation.intervals.resampled`."""
        return resampled(value, draws, images, self.confidence, self.share, trials, self.learned)


@dataclass(frozen=True)
class _Measured:
    figures: TagFigures
    precisions: Values
    recalls: Values
    f1s: Values
    aps: Values


def measure(
    predictions: ClassPredictions, rules: Rules, negative_tag: str | None
) -> tuple[OverallFigures, tuple[TagFigures, ...]]:
    """The figures overall and per tag.

    Overall precision, recall and F1 are micro averages: all (image, tag) pairs are pooled, as the
    service does. Overall AP is the mean over tags. Out-of-fold scores of all folds are ranked together,
    which calibrated probabilities allow.

    Args:
        predictions: N images, N above 0.
        rules: see `Rules`.
        negative_tag: the tag to mark as negative.
    """
    tags = [_measure_tag(predictions, column, rules, negative_tag) for column in range(len(predictions.tags))]
    return _measure_all(predictions, tags, rules), tuple(tag.figures for tag in tags)


def counted(predictions: ClassPredictions, threshold: float) -> npt.NDArray[np.bool_]:
    """The predictions (N, K) that count: probability at or above the threshold."""
    return predictions.probabilities >= threshold


def right(predictions: ClassPredictions, threshold: float) -> npt.NDArray[np.bool_]:
    """The images (N,) judged right.

    Multiclass: the most probable tag is a true one. Multilabel: every tag is right at the threshold.
    """
    likelihood = LIKELIHOODS[predictions.kind]
    return likelihood.right(likelihood.given(predictions.probabilities, threshold), predictions.truth)


def _measure_tag(
    predictions: ClassPredictions, column: int, rules: Rules, negative_tag: str | None
) -> _Measured:
    truth, scores = predictions.truth[:, column], predictions.probabilities[:, column]
    chosen = scores >= rules.threshold
    correct = truth & chosen
    positives, predicted, correct_count = (int(mask.sum()) for mask in (truth, chosen, correct))
    weigh = rules.weights
    hit_weights, true_weights, chosen_weights = weigh @ correct, weigh @ truth, weigh @ chosen
    f1s = _divide(2 * hit_weights, true_weights + chosen_weights)
    f1 = 2 * correct_count / (positives + predicted) if positives else None
    aps = average_precisions(truth, scores, weigh) if positives else np.zeros(len(weigh))
    figures = TagFigures(
        tag=predictions.tags[column],
        negative=predictions.tags[column] == negative_tag,
        positives=positives,
        predicted=predicted,
        correct=correct_count,
        precision=rules.proportion(correct_count, predicted),
        recall=rules.proportion(correct_count, positives),
        f1=rules.resampled(f1, f1s, int((truth | chosen).sum())),
        ap=rules.resampled(_average_precision(truth, scores), aps, positives),
        auc=_roc_auc(truth, scores),
    )
    return _Measured(
        figures, _divide(hit_weights, chosen_weights), _divide(hit_weights, true_weights), f1s, aps
    )


def _measure_all(predictions: ClassPredictions, tags: list[_Measured], rules: Rules) -> OverallFigures:
    chosen = counted(predictions, rules.threshold)
    correct = chosen & predictions.truth
    images = len(predictions.ids)
    correct_images = int(right(predictions, rules.threshold).sum())
    return OverallFigures(
        images=images,
        correct=correct_images,
        accuracy=rules.proportion(correct_images, images),
        precision=_ratio(correct, [chosen], rules),
        recall=_ratio(correct, [predictions.truth], rules),
        f1=_ratio(correct, [chosen, predictions.truth], rules),
        ap=_mean([(tag.figures.ap, tag.aps) for tag in tags], images, rules, trials=images / 2),
        macro_precision=_mean([(tag.figures.precision, tag.precisions) for tag in tags], images, rules),
        macro_recall=_mean([(tag.figures.recall, tag.recalls) for tag in tags], images, rules),
        macro_f1=_mean([(tag.figures.f1, tag.f1s) for tag in tags], images, rules),
    )


def _ratio(part: npt.NDArray[np.bool_], wholes: list[npt.NDArray[np.bool_]], rules: Rules) -> Estimate:
    above = part.sum(axis=1) * len(wholes)
    below = np.sum([whole.sum(axis=1) for whole in wholes], axis=0)
    images = int(np.logical_or.reduce(wholes).any(axis=1).sum())
    if images == 0:
        return undefined()
    draws = _divide(rules.weights @ above, rules.weights @ below)
    return rules.resampled(float(above.sum() / below.sum()), draws, images)


def _mean(
    estimates: list[tuple[Estimate, Values]], images: int, rules: Rules, trials: float | None = None
) -> Estimate:
    defined = [(each.value, draws) for each, draws in estimates if each.value is not None]
    if not defined:
        return undefined(images)
    value = float(np.mean([value for value, _ in defined]))
    return rules.resampled(value, np.mean([draws for _, draws in defined], axis=0), images, trials)


def _divide(above: Values, below: Values) -> Values:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _average_precision(truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float | None:
    if not truth.any():
        return None
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores))


def _roc_auc(truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float | None:
    if truth.all() or not truth.any():
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores))


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
