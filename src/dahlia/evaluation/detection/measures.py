"""Precision, recall, F1 and average precision of boxes, per tag and overall, each with its interval.

Photos are drawn, not boxes, so boxes of one photo may go wrong together. On few photos the draws say little
of how much they do. So no figure counts as more independent trials than its boxes would be if every two of a
photo were correlated by `ALIKE` (Kish 1965). The rest is as for photos: see `dahlia.evaluation.intervals`.

In simulations with 15 to 300 photos of 1 to 12 boxes on average, which go wrong together by photos, 95 %
intervals so made of 3 folds' boxes held the mean average precision of the process in 97 to 100 of 100 draws,
and that of as many fresh photos, which varies itself, in 93 to 100 (`benchmarks/box_intervals.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.detection.average_precision import Ranking, average_precision, ranking
from dahlia.evaluation.detection.faults import Sorted
from dahlia.evaluation.detection.figures import BoxOverallFigures, BoxTagFigures, ByOverlap, TagCurve
from dahlia.evaluation.detection.matching import NONE, BoxTable, matched
from dahlia.evaluation.detection.weighted_precision import average_precisions, curve
from dahlia.evaluation.figures import Estimate
from dahlia.evaluation.intervals import undefined
from dahlia.evaluation.metrics import MAX_POINTS, Rules

LOW, HALF = 0.3, 0.5
COCO_OVERLAPS = tuple(round(HALF + 0.05 * step, 2) for step in range(10))
ALIKE = 0.5
MOST_DRAWS = 1000
_DRAWS_OF_MEANS = 200  # of figures that are means over many overlaps

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Matches:
    """Which found boxes are right at which overlap.

    Attributes:
        table: the boxes.
        overlap: the one that decides what is right.
        partners: overlap to what `matched` says.
    """

    table: BoxTable
    overlap: float
    partners: Mapping[float, Numbers]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """(D,) found boxes that are right at the deciding overlap."""
        return np.asarray(self.partners[self.overlap] != NONE)

    def ranking(self, column: int, overlap: float | None = None) -> Ranking:
        """The found boxes of a tag."""
        return ranking(self.table, self.partners[self.overlap if overlap is None else overlap], column)


def matches(table: BoxTable, overlap: float) -> Matches:
    """At the deciding overlap, and at those of which average precision is told."""
    overlaps = sorted({overlap, LOW, *COCO_OVERLAPS})
    return Matches(table, overlap, {each: matched(table, each) for each in overlaps})


@dataclass(frozen=True)
class _Averages:
    """The average precision of a tag at each overlap, and its draws."""

    values: Mapping[float, float | None]
    draws: Mapping[float, Values]


def measure(
    found: Matches, sorted_boxes: Sorted, rules: Rules
) -> tuple[BoxOverallFigures, tuple[BoxTagFigures, ...], tuple[ByOverlap, ...]]:
    """The figures overall, per tag, and by overlap.

    Args:
        found: of N photos, N above 0.
        sorted_boxes: what went right and wrong at the threshold.
        rules: of the same photos.
    """
    averages = [_averages(found, column, rules.weights) for column in range(len(found.table.tags))]
    tags = tuple(_tag(found, column, averages[column], rules) for column in range(len(found.table.tags)))
    by_overlap = tuple(
        ByOverlap(overlap=each, map=_mean([one.values[each] for one in averages])) for each in found.partners
    )
    return _overall(found, sorted_boxes, averages, rules), tags, by_overlap


def curves(found: Matches) -> tuple[TagCurve, ...]:
    """The curve of each tag at the deciding overlap, at most `MAX_POINTS` points each."""
    return tuple(_curve(found, column) for column in range(len(found.table.tags)))


def independent_boxes(boxes: Values) -> float:
    """As how many independent ones the boxes of photos count at most, of (N,) numbers of boxes."""
    total = float(boxes.sum())
    if total == 0:
        return 0.0
    return total / (1 + ALIKE * (float((boxes**2).sum()) / total - 1))


def _averages(found: Matches, column: int, weights: Values) -> _Averages:
    values: dict[float, float | None] = {}
    draws: dict[float, Values] = {}
    for overlap in found.partners:
        ranked = found.ranking(column, overlap)
        values[overlap] = average_precision(ranked)
        if values[overlap] is not None:
            most = MOST_DRAWS if overlap in (found.overlap, LOW, HALF) else _DRAWS_OF_MEANS
            draws[overlap] = average_precisions(ranked, weights[:most])
    return _Averages(values, draws)


def _tag(found: Matches, column: int, averages: _Averages, rules: Rules) -> BoxTagFigures:
    table = found.table
    ranked = found.ranking(column)
    chosen = ranked.score >= rules.threshold
    predicted = _by_photo(ranked.photo[chosen], table.photos)
    correct = _by_photo(ranked.photo[chosen & ranked.right], table.photos)
    trials = independent_boxes(ranked.boxes)
    images = int((ranked.boxes > 0).sum())

    def ap(overlaps: Sequence[float]) -> Estimate:
        return _ap([averages], overlaps, images, trials, rules)

    return BoxTagFigures(
        tag=table.tags[column],
        images=images,
        boxes=int(ranked.boxes.sum()),
        predicted=int(predicted.sum()),
        correct=int(correct.sum()),
        precision=_ratio(correct, [predicted], rules),
        recall=_ratio(correct, [ranked.boxes], rules),
        f1=_ratio(correct, [ranked.boxes, predicted], rules),
        ap=ap([found.overlap]),
        ap30=ap([LOW]),
        ap50=ap([HALF]),
        ap50_95=ap(COCO_OVERLAPS),
    )


def _overall(
    found: Matches, sorted_boxes: Sorted, averages: Sequence[_Averages], rules: Rules
) -> BoxOverallFigures:
    table = found.table
    chosen = table.score >= rules.threshold
    boxes = _by_photo(table.true_photo, table.photos)
    predicted = _by_photo(table.photo[chosen], table.photos)
    correct = _by_photo(table.photo[chosen & found.right], table.photos)
    trials = independent_boxes(boxes)
    images = int((boxes > 0).sum())

    def ap(overlaps: Sequence[float]) -> Estimate:
        return _ap(averages, overlaps, images, trials, rules)

    return BoxOverallFigures(
        images=table.photos,
        empty=int((boxes == 0).sum()),
        correct_images=int(((correct == boxes) & (correct == predicted)).sum()),
        boxes=int(boxes.sum()),
        predicted=int(predicted.sum()),
        correct=int(correct.sum()),
        faults=sorted_boxes.counts(),
        precision=_ratio(correct, [predicted], rules),
        recall=_ratio(correct, [boxes], rules),
        f1=_ratio(correct, [boxes, predicted], rules),
        ap=ap([found.overlap]),
        map30=ap([LOW]),
        map50=ap([HALF]),
        map=ap(COCO_OVERLAPS),
    )


def _ap(
    averages: Sequence[_Averages], overlaps: Sequence[float], images: int, trials: float, rules: Rules
) -> Estimate:
    """The mean over tags and overlaps."""
    defined = [each for each in averages if each.values[overlaps[0]] is not None]
    if not defined:
        return undefined(images)
    value = _mean([each.values[overlap] for each in defined for overlap in overlaps])
    fewest = min(len(each.draws[overlap]) for each in defined for overlap in overlaps)
    draws = np.mean([each.draws[overlap][:fewest] for each in defined for overlap in overlaps], axis=0)
    return rules.resampled(value, draws, images, trials)


def _ratio(part: Values, wholes: Sequence[Values], rules: Rules) -> Estimate:
    """Twice the part of two wholes is F1."""
    above, below = part * len(wholes), np.sum(wholes, axis=0)
    images = int((below > 0).sum())
    if images == 0 or not wholes[0].any():
        return undefined()
    draws = (rules.weights @ above) / (rules.weights @ below)
    trials = independent_boxes(np.max(wholes, axis=0))
    return rules.resampled(float(above.sum() / below.sum()), draws, images, trials)


def _by_photo(photo: Numbers, photos: int) -> Values:
    return np.bincount(photo, minlength=photos).astype(np.float64)


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _curve(found: Matches, column: int) -> TagCurve:
    recall, precision = curve(found.ranking(column))
    kept = np.unique(np.linspace(0, len(recall) - 1, min(len(recall), MAX_POINTS)).round().astype(int))
    return TagCurve(
        tag=found.table.tags[column],
        precision=tuple(precision[kept].tolist()),
        recall=tuple(recall[kept].tolist()),
    )
