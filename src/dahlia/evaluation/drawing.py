"""Coordinates for the report's charts; what they look like is in the templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dahlia.evaluation.figures import Curves, Estimate, Reliability

WIDTH, HEIGHT = 440, 350
LEFT, TOP, RIGHT, BOTTOM = 54, 12, 428, 304


@dataclass(frozen=True)
class Dot:
    """A point of a reliability diagram with its interval, in the chart's units."""

    x: float
    y: float
    low: float
    high: float
    radius: float
    label: str


def across(value: float) -> float:
    """The x of a value between 0 and 1."""
    return round(LEFT + value * (RIGHT - LEFT), 2)


def up(value: float) -> float:
    """The y of a value between 0 and 1; 1 is at the top."""
    return round(BOTTOM - value * (BOTTOM - TOP), 2)


def staircase(curve: Curves) -> str:
    """The path of a precision/recall curve; the area under it is the average precision."""
    steps: list[tuple[float, float]] = []
    before = 0.0
    for recall, precision in zip(curve.recall, curve.precision, strict=True):
        steps += [(before, precision), (recall, precision)]
        before = recall
    return path(steps)


def path(points: Sequence[tuple[float, float]]) -> str:
    """An SVG path through points between 0 and 1."""
    return " ".join(f"{'L' if index else 'M'}{across(x)} {up(y)}" for index, (x, y) in enumerate(points))


def reliability_path(reliability: Reliability) -> str:
    """The SVG path through a reliability diagram's bins."""
    return path([(each.confidence, each.accuracy.value or 0.0) for each in reliability.bins])


def reliability_dots(reliability: Reliability) -> list[Dot]:
    """The bins of a reliability diagram; a dot's area grows with its images."""
    most = max(each.accuracy.images for each in reliability.bins)
    return [
        Dot(
            x=across(each.confidence),
            y=up(each.accuracy.value or 0.0),
            low=up(each.accuracy.low or 0.0),
            high=up(1.0 if each.accuracy.high is None else each.accuracy.high),
            radius=round(2.5 + 2.5 * (each.accuracy.images / most) ** 0.5, 2),
            label=f"{each.accuracy.images} predictions, {each.confidence:.0%} sure, "
            f"{each.accuracy.value or 0.0:.0%} right",
        )
        for each in reliability.bins
    ]


def whisker(estimate: Estimate, width: float) -> dict[str, float] | None:
    """`low`, `value` and `high` on a line of `width`; None for a figure that is not defined."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    ends = {"low": estimate.low, "value": estimate.value, "high": estimate.high}
    return {name: round(4 + each * (width - 8), 2) for name, each in ends.items()}
