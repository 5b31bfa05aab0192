"""Would more photos help, and of which tag: the learning curve, read with care.

A gain is read between half of the photos and all of them, where it says most about the next ones. Each
held-out photo is compared with itself, which is far sharper than two proportions with their own intervals;
the interval is that of Agresti and Min (2005), with the correction for folds that share training photos of
`dahlia.evaluation.intervals`. A tag is named only where that interval shows a gain and all its points
together rise by more than chance explains in the best of K tags (Bonferroni): a plain interval would find
one tag in flat curves too often, a stricter interval of the last gain alone hardly ever any.

The error of a classifier falls roughly as a power of the images it learned from (Cortes et al. 1993, Hestness
et al. 2017). If doubling brought the error from e + g to e, doubling again brings it to e * e / (e + g), a
gain of e * g / (e + g). This is said only where four points lie on a power law and the last gain is no
chance, and as the range that the gain's interval gives. A curve that levels off brings less. On random
parts of two photo sets (12 to 25 photos a tag, 8 and 10 tags, heads on the plain view) that were then
doubled, all of the 46 ranges that were said held the mean gain of 5 to 7 points; none was said for 64 others.
The parts overlap, so this is a check of plausibility, not of coverage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from dahlia.dataset.fold_numbers import FEWEST
from dahlia.errors import EvaluationError
from dahlia.evaluation.figures import Learning, LearningPoint, LearningSeries
from dahlia.evaluation.intervals import independent_share
from dahlia.evaluation.judges import JUDGES, Words
from dahlia.modeling.predictions import HALF, ClassPredictions, FoldOutcomes, LearningCurve

LEAST_POINTS = 4
LEAST_IMAGES = 5
GOOD_FIT = 0.9
_PSEUDO = 0.5  # Agresti and Min add it to each of the four cells


@dataclass(frozen=True)
class _Counts:
    """Outcomes of several folds: images, right ones per share, and what changed from `half` to the end."""

    images: int
    right: list[int]
    gained: int
    lost: int


def learning(curve: LearningCurve, confidence: float) -> Learning:
    """The points of the curve, their gains and the verdict in words.

    Args:
        curve: what training measured.
        confidence: of the intervals, 0 to 1.
    """
    rows = zip((None, *curve.tags), (curve.whole, *curve.by_tag), strict=True)
    judged = {tag: folds for tag, folds in rows if any(fold.outcomes for fold in folds)}
    tags = [tag for tag in judged if tag is not None]
    whole = _series(None, curve.whole, curve.shares, confidence)
    series = tuple(_series(tag, judged[tag], curve.shares, confidence) for tag in tags)
    twice = _doubling(whole)
    judge = JUDGES[curve.classification]
    least = NormalDist().inv_cdf(1 - (1 - confidence) / 2 / max(1, len(tags)))
    helped = tuple(
        each.tag
        for each in ranked(series)
        if each.tag is not None
        and (each.gain_low or 0.0) > 0
        and each.points[-1].value < 1
        and _slope(judged[each.tag], curve.shares) > least
    )
    return Learning(
        recipe=curve.recipe,
        threshold=curve.threshold if judge.by_threshold else None,
        whole=whole,
        tags=series,
        doubling=twice,
        most_helped=helped,
        sentences=sentences(whole, ranked(series), helped, twice, judge.words),
    )


def check_fits(curve: LearningCurve, held_out: ClassPredictions) -> None:
    """Refuse a curve of another training than the predictions.

    Raises:
        EvaluationError: tags or numbers of images differ.
    """
    images = _counts(curve.whole, len(curve.shares), 0).images
    if curve.tags != held_out.tags or images != len(held_out.ids):
        raise EvaluationError(
            f"Expected a learning curve of {len(held_out.ids)} held-out images of the tags "
            f"{', '.join(held_out.tags)}, received one of {images} images of {', '.join(curve.tags)}. Run "
            "`dvc repro train` to make models/predictions.parquet and models/learning_curve.json together."
        )


def next_gain(gain: float, error: float) -> float:
    """What doubling brings after a doubling that brought `gain` and left `error`, by a power law; 0 to 1."""
    before = error + gain
    return max(0.0, error * gain / before) if before > 0 else 0.0


def ranked(series: Sequence[LearningSeries]) -> list[LearningSeries]:
    """The tags that can be judged, by what doubling their images would bring, most first."""
    able = [each for each in series if each.gain is not None and each.images >= LEAST_IMAGES]
    return sorted(able, key=lambda each: -next_gain(each.gain or 0.0, 1 - each.points[-1].value))


def _series(
    tag: str | None, folds: Sequence[FoldOutcomes], shares: Sequence[float], confidence: float
) -> LearningSeries:
    half = shares.index(HALF)
    counts = _counts(folds, len(shares), half)
    points = [_point(folds, at, share, counts) for at, share in enumerate(shares)]
    last = points[-1]
    befores = [0.0, *(point.images for point in points)]
    distinct = [
        point
        for before, point in zip(befores, points, strict=False)
        if before < point.images < last.images or point is last
    ]
    gain = low = high = None
    if 0 < points[half].images < last.images:
        gain = (counts.gained - counts.lost) / counts.images
        low, high = _paired_interval(counts, confidence, independent_share(len(folds)))
        low, high = min(low, gain), max(high, gain)
    return LearningSeries(
        tag=tag,
        images=counts.images,
        points=tuple(distinct),
        gain=gain,
        gain_low=low,
        gain_high=high,
    )


def _counts(folds: Sequence[FoldOutcomes], shares: int, half: int) -> _Counts:
    ways = [(way, count) for fold in folds for way, count in fold.outcomes.items()]
    return _Counts(
        images=sum(count for _, count in ways),
        right=[sum(count for way, count in ways if way[at] == "1") for at in range(shares)],
        gained=sum(count for way, count in ways if way[half] + way[-1] == "01"),
        lost=sum(count for way, count in ways if way[half] + way[-1] == "10"),
    )


def _point(folds: Sequence[FoldOutcomes], at: int, share: float, counts: _Counts) -> LearningPoint:
    apart = [(fold.learned[at], _counts([fold], at + 1, at)) for fold in folds if fold.outcomes]
    unions = [_counts(folds[start::FEWEST], at + 1, at) for start in range(min(FEWEST, len(folds)))]
    rates = [each.right[at] / each.images for each in unions if each.images]
    return LearningPoint(
        share=share,
        images=sum(learned * each.images for learned, each in apart) / counts.images,
        value=counts.right[at] / counts.images,
        low=min(rates),
        high=max(rates),
    )


def _paired_interval(counts: _Counts, confidence: float, share: float) -> tuple[float, float]:
    images = counts.images * share + 4 * _PSEUDO
    gained, lost = counts.gained * share + _PSEUDO, counts.lost * share + _PSEUDO
    difference = (gained - lost) / images
    error = math.sqrt(gained + lost - (gained - lost) ** 2 / images) / images
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return max(-1.0, difference - reach), min(1.0, difference + reach)


def _slope(folds: Sequence[FoldOutcomes], shares: Sequence[float]) -> float:
    """The mean slope of an image over doublings, in standard errors.

    A half of an image that rises, and of one that falls, keeps a few alike images from certainty.
    """
    doublings = [math.log2(share) for share in shares]
    weights = [each - sum(doublings) / len(shares) for each in doublings]
    fully = sum(weight for weight in weights if weight > 0)
    slopes = [(fully, _PSEUDO), (-fully, _PSEUDO)]
    for fold in folds:
        for way, count in fold.outcomes.items():
            slope = sum(weight for weight, digit in zip(weights, way, strict=True) if digit == "1")
            slopes.append((slope, count * independent_share(len(folds))))
    images = sum(count for _, count in slopes)
    mean = sum(slope * count for slope, count in slopes) / images
    variance = sum((slope - mean) ** 2 * count for slope, count in slopes) / images
    return mean / math.sqrt(variance / images)


def _doubling(whole: LearningSeries) -> tuple[float, float] | None:
    if whole.gain_low is None or whole.gain_high is None or whole.gain_low <= 0 or not _power_law(whole):
        return None
    error = 1 - whole.points[-1].value
    return next_gain(whole.gain_low, error), next_gain(whole.gain_high, error)


def _power_law(whole: LearningSeries) -> bool:
    """Whether the errors fall, and lie on a line in log-log coordinates: R squared of at least 0.9."""
    points = [(math.log(point.images), 1 - point.value) for point in whole.points]
    if len(points) < LEAST_POINTS or min(error for _, error in points) <= 0:
        return False
    xs, ys = [x for x, _ in points], [math.log(error) for _, error in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    squares_x = sum((x - mean_x) ** 2 for x in xs)
    squares_y = sum((y - mean_y) ** 2 for y in ys)
    products = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return products < 0 and products**2 >= GOOD_FIT * squares_x * squares_y


LITTLE = 0.02
_NAMED = 3


def sentences(
    whole: LearningSeries,
    tags: Sequence[LearningSeries],
    helped: Sequence[str],
    doubling: tuple[float, float] | None,
    words: Words,
) -> tuple[str, ...]:
    """A clear tag first, then all photos together, then a tag that is not clear.

    Args:
        whole: all images.
        tags: those that can be judged, most to gain first.
        helped: the clear ones among them.
        doubling: what twice the images would likely bring, low and high.
        words: for the kind.
    """
    verb = f"were {words.recognised}"
    over_all, little = _whole(whole, doubling, words.were_right)
    if helped:
        return _clear(tags, helped, verb), over_all
    unclear = "" if little else _unclear(tags, verb)
    return (over_all, unclear) if unclear else (over_all,)


def points_of(low: float, high: float) -> str:
    """`1 to 4 points`: a range of shares in whole points, rounded outwards."""
    first, last = math.floor(100 * low + 1e-6), math.ceil(100 * high - 1e-6)
    return f"{_count(last, 'point')} at most" if first <= 0 else f"{first} to {_count(last, 'point')}"


def _whole(whole: LearningSeries, doubling: tuple[float, float] | None, were_right: str) -> tuple[str, bool]:
    """The verdict on all photos, and whether it is that more would change little."""
    photos = _count(whole.images, "held-out photo")
    if whole.gain is None or whole.gain_low is None or whole.gain_high is None:
        return f"Whether more photos would help is unknown: {photos} are too few to halve.", False
    if whole.points[-1].value == 1:
        return f"None of {photos} is wrong, so more photos of the same kind cannot show a gain.", True
    path = _path(whole, were_right, "photos")
    if whole.gain_high <= LITTLE or (doubling is not None and doubling[1] <= LITTLE):
        return f"More photos of the same kind would change little: {path}.", True
    if whole.gain_low > 0:
        likely = f". Doubling them would likely bring {points_of(*doubling)}" if doubling else ""
        return f"More photos would likely help: {path}{likely}.", False
    return f"Whether more photos would help is unknown: {path}, and chance could explain that.", False


def _clear(tags: Sequence[LearningSeries], helped: Sequence[str], verb: str) -> str:
    best = next(each for each in tags if each.tag == helped[0])
    others = " and ".join(f"“{tag}”" for tag in helped[1:_NAMED])
    then = f", then of {others}" if others else ""
    return f"More photos of “{best.tag}” would likely help most{then}: {_path(best, verb, 'of its photos')}."


def _unclear(tags: Sequence[LearningSeries], verb: str) -> str:
    rose = [each for each in tags if (each.gain or 0.0) > 0 and each.points[-1].value < 1]
    if len(tags) < 2 or not rose:
        return ""
    path = _path(rose[0], verb, "of its photos")
    return (
        f"Which tag would gain most is unknown: “{rose[0].tag}” gained most, {path}, and chance could "
        "explain that."
    )


def _path(series: LearningSeries, verb: str, photos: str) -> str:
    half, last = [point for point in series.points if point.share <= HALF][-1], series.points[-1]
    return (
        f"{_percent(half.value)} {verb} after learning from {half.images:.0f} {photos}, "
        f"{_percent(last.value)} after {last.images:.0f}"
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if 0.995 <= value < 1 else f"{100 * value:.0f} %"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
