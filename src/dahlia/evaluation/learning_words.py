"""The verdict of a learning curve in one or two sentences that promise no more than the photos show."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dahlia.evaluation.figures import LearningSeries
from dahlia.evaluation.judge import Words
from dahlia.modeling.learning_curve import HALF

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
