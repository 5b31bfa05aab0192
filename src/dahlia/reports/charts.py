"""Coordinates for the report's charts; what they look like is in the templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dahlia.evaluation.detection.figures import ByOverlap, TagCurve
from dahlia.evaluation.figures import Curves, Estimate, LearningSeries, Reliability

WIDTH, HEIGHT = 440, 350
LEFT, TOP, RIGHT, BOTTOM = 54, 12, 428, 304
MOST_TICKS = 6
# Where an axis of shares may begin, and the step of its ticks.
_FLOORS = ((0.9, 0.02), (0.75, 0.05), (0.5, 0.1), (0.0, 0.25))


@dataclass(frozen=True)
class Dot:
    """A point of a reliability diagram with its interval, in the chart's units."""

    x: float
    y: float
    low: float
    high: float
    radius: float
    label: str


@dataclass(frozen=True)
class Scale:
    """Axes of a learning curve: images from 0 to `most`, shares from `floor` to 1."""

    most: float
    floor: float
    images: tuple[int, ...]
    shares: tuple[float, ...]

    def x_at(self, images: float) -> float:
        """The x of so many images."""
        return x_at(images / self.most)

    def y_at(self, share: float) -> float:
        """The y of a share."""
        return y_at((share - self.floor) / (1 - self.floor))

    def through(self, points: Sequence[tuple[float, float]]) -> str:
        """The SVG path through images and shares."""
        return path([self._at(images, share) for images, share in points])

    def path(self, series: LearningSeries) -> str:
        """The SVG path through a learning curve."""
        return path([self._at(point.images, point.value) for point in series.points])

    def band(self, series: LearningSeries) -> str:
        """The SVG path around its worst and best folds."""
        best = [self._at(point.images, point.high) for point in series.points]
        worst = [self._at(point.images, point.low) for point in reversed(series.points)]
        return f"{path([*best, *worst])} Z"

    def _at(self, images: float, share: float) -> tuple[float, float]:
        return images / self.most, (share - self.floor) / (1 - self.floor)


def learning_scale(series: Sequence[LearningSeries], *, ranges: bool) -> Scale:
    """Axes with room for all curves.

    Args:
        series: at least one.
        ranges: whether the worst and best folds are drawn too.
    """
    points = [point for each in series for point in each.points]
    lowest = min(point.low if ranges else point.value for point in points)
    return scale_for(max(point.images for point in points), lowest)


def scale_for(images: float, lowest: float) -> Scale:
    """Axes with room for so many images, and for shares from `lowest` on."""
    largest = max(1.0, images)
    floor, step = next((floor, step) for floor, step in _FLOORS if floor <= lowest)
    steps = (size * 10**power for power in range(9) for size in (1, 2, 5))
    wide = next(each for each in steps if largest / each <= MOST_TICKS)
    return Scale(
        most=1.05 * largest,
        floor=floor,
        images=tuple(range(0, int(1.05 * largest) + 1, wide)),
        shares=tuple(round(floor + at * step, 4) for at in range(round((1 - floor) / step) + 1)),
    )


def x_at(value: float) -> float:
    """The x of a value between 0 and 1."""
    return round(LEFT + value * (RIGHT - LEFT), 2)


def y_at(value: float) -> float:
    """The y of a value between 0 and 1; 1 is at the top."""
    return round(BOTTOM - value * (BOTTOM - TOP), 2)


def step_path(curve: Curves | TagCurve) -> str:
    """The path of a precision/recall curve; the area under it is the average precision."""
    steps: list[tuple[float, float]] = []
    before = 0.0
    for recall, precision in zip(curve.recall, curve.precision, strict=True):
        steps += [(before, precision), (recall, precision)]
        before = recall
    return path(steps)


def overlap_path(by_overlap: Sequence[ByOverlap]) -> str:
    """The path through the average precision at rising overlaps; empty where it is not defined."""
    return path([(each.overlap, each.map) for each in by_overlap if each.map is not None])


def path(points: Sequence[tuple[float, float]]) -> str:
    """An SVG path through points between 0 and 1."""
    return " ".join(f"{'L' if index else 'M'}{x_at(x)} {y_at(y)}" for index, (x, y) in enumerate(points))


def reliability_path(reliability: Reliability) -> str:
    """The SVG path through a reliability diagram's bins."""
    return path([(each.confidence, each.accuracy.value or 0.0) for each in reliability.bins])


def reliability_dots(reliability: Reliability) -> list[Dot]:
    """The bins of a reliability diagram; a dot's area grows with its images."""
    most = max(each.accuracy.images for each in reliability.bins)
    return [
        Dot(
            x=x_at(each.confidence),
            y=y_at(each.accuracy.value or 0.0),
            low=y_at(each.accuracy.low or 0.0),
            high=y_at(1.0 if each.accuracy.high is None else each.accuracy.high),
            radius=round(2.5 + 2.5 * (each.accuracy.images / most) ** 0.5, 2),
            label=f"{each.accuracy.images} predictions, {each.confidence:.0%} sure, "
            f"{each.accuracy.value or 0.0:.0%} right",
        )
        for each in reliability.bins
    ]


def interval(estimate: Estimate, width: float) -> dict[str, float] | None:
    """`low`, `value` and `high` on a line of `width`; None for a figure that is not defined."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    ends = {"low": estimate.low, "value": estimate.value, "high": estimate.high}
    return {name: round(4 + each * (width - 8), 2) for name, each in ends.items()}
