"""The learning curve as the report shows it; no markup."""

from __future__ import annotations

from dataclasses import dataclass

from dahlia.evaluation import drawing
from dahlia.evaluation.figures import Evaluation, Learning, LearningPoint, LearningSeries
from dahlia.evaluation.judges import JUDGES
from dahlia.evaluation.learning import ranked
from dahlia.evaluation.view import COLOURS, MOST_CURVES


@dataclass(frozen=True)
class TagLine:
    """A tag's learning curve, the colour's number, whether it is dashed, and its gain in words."""

    tag: str
    path: str
    points: list[LearningPoint]
    colour: int
    dashed: bool
    gain: str


@dataclass(frozen=True)
class LearningView:
    """The learning curve as the report shows it."""

    sentences: tuple[str, ...]
    whole: LearningSeries
    scale: drawing.Scale
    lines: list[TagLine]
    tag_scale: drawing.Scale | None
    hidden: int
    notes: list[str]


def learning_view(evaluation: Evaluation) -> LearningView | None:
    """The curves, those of the tags with most to gain where there are many; None where there are none."""
    learning = evaluation.learning
    if learning is None:
        return None
    drawn = [each for each in learning.tags if len(each.points) > 1]
    first = [*ranked(drawn), *(each for each in drawn if each not in ranked(drawn))][:MOST_CURVES]
    kept = [each for each in drawn if each in first]
    scale = drawing.learning_scale(kept, ranges=False) if kept else None
    return LearningView(
        sentences=learning.sentences,
        whole=learning.whole,
        scale=drawing.learning_scale([learning.whole], ranges=True),
        lines=[_line(each, scale, evaluation.tags) for each in kept] if scale else [],
        tag_scale=scale,
        hidden=len(learning.tags) - len(kept),
        notes=_learning_notes(evaluation, learning),
    )


def _line(series: LearningSeries, scale: drawing.Scale, tags: tuple[str, ...]) -> TagLine:
    number = tags.index(series.tag or "")
    gain = "too few to halve"
    if series.gain is not None and series.gain_low is not None and series.gain_high is not None:
        gain = f"{_signed(series.gain)} [{_signed(series.gain_low)}, {_signed(series.gain_high)}]"
    return TagLine(
        tag=series.tag or "",
        path=scale.path(series),
        points=list(series.points),
        colour=number % COLOURS,
        dashed=number >= COLOURS,
        gain=gain,
    )


def _signed(share: float) -> str:
    points = round(100 * share)
    return f"{points:+d}".replace("-", "\N{MINUS SIGN}") if points else "0"


def _learning_notes(evaluation: Evaluation, learning: Learning) -> list[str]:
    if learning.recipe == "advanced":
        last = (
            "These are heads of the quick recipe, which trains in seconds; the model itself was fine-tuned, "
            "so the figures above are others."
        )
    elif learning.threshold not in (None, evaluation.threshold):
        last = (
            f"Here a tag counts from {learning.threshold:.0%} on, above from {evaluation.threshold:.0%}, so "
            "the last point is another figure."
        )
    else:
        last = "The last point is the held-out figure above."
    return [*JUDGES[evaluation.classification].words.notes, last]
