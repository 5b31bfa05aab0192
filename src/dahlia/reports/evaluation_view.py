"""What the report shows: the figures chosen, ordered and put into words; no markup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dahlia.evaluation.figures import (
    Calibration,
    Evaluation,
    Learning,
    LearningPoint,
    LearningSeries,
    SetFigures,
    TagFigures,
)
from dahlia.evaluation.judges import JUDGES
from dahlia.evaluation.learning import ranked
from dahlia.evaluation.summary import headline
from dahlia.reports import charts

COLOURS = 8
MOST_DOTS = 600
MOST_CURVES = 8
MOST_ROWS_OF_CONFUSION = 30
MOST_CONFUSIONS = 5


@dataclass(frozen=True)
class Curve:
    """A curve, the colour's number, and whether it is dashed (colours repeat)."""

    tag: str
    path: str
    colour: int
    dashed: bool
    ap: float


@dataclass(frozen=True)
class DotRow:
    """A dot per photo: the right ones, then the wrong ones."""

    name: str
    colour: int
    right: int
    wrong: int


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix; `share` is of its row."""

    count: int
    share: float


@dataclass(frozen=True)
class SetView:
    """One set of images as the report shows it.

    Confusions are a matrix of tags, or counts of each tag; see `dahlia.evaluation.figures.Confusion`.
    """

    figures: SetFigures
    first: str
    second: str
    weakest: str
    dots: list[DotRow]
    matrix: list[list[Cell]]
    of_tags: tuple[tuple[int, ...], ...]
    confusions: list[str]


def set_view(evaluation: Evaluation, figures: SetFigures) -> SetView:
    """Put one set of images into words and rows."""
    first, second = headline(evaluation, figures)
    by_threshold = JUDGES[evaluation.classification].by_threshold
    return SetView(
        figures=figures,
        first=first,
        second=second,
        weakest=_weakest(figures),
        dots=_dots(evaluation, figures),
        matrix=[] if by_threshold else _matrix(figures),
        of_tags=figures.confusion.counts if by_threshold else (),
        confusions=[] if by_threshold else _confusions(evaluation, figures),
    )


def curve_views(figures: SetFigures) -> list[Curve]:
    """The precision/recall curves, those of the lowest average precision where there are many."""
    defined = [
        Curve(tag.tag, charts.step_path(curve), index % COLOURS, index >= COLOURS, tag.ap.value)
        for index, (tag, curve) in enumerate(zip(figures.tags, figures.curves, strict=True))
        if tag.ap.value is not None
    ]
    kept = sorted(defined, key=lambda curve: curve.ap)[:MOST_CURVES]
    return [curve for curve in defined if curve in kept]


def calibration_words(calibration: Calibration, counted: str = "images") -> str:
    """What the calibration error means, in a sentence; `counted` names what was judged, as a plural."""
    after = calibration.after
    points = f"{100 * after.ece:.0f}"
    points += " point" if points == "1" else " points"
    chance = f"{100 * after.ece_by_chance:.0f}"
    verdict = (
        "no more than chance explains"
        if after.ece <= 1.5 * after.ece_by_chance
        else "more than chance explains"
    )
    return (
        f"Stated probabilities are off by {points} on average; a perfectly calibrated model would show "
        f"{chance} on so few {counted}: {verdict}."
    )


def _weakest(figures: SetFigures) -> str:
    tags = [tag for tag in figures.tags if tag.positives]
    if len(tags) < 2:
        return ""
    if all(tag.correct == tag.positives == tag.predicted for tag in tags):
        return "No tag was missed and none was given wrongly."
    tag = min(tags, key=_f1)
    text = f"{tag.correct} of its {tag.positives} photos found"
    false_alarms = tag.predicted - tag.correct
    if false_alarms:
        text += f", {false_alarms} given wrongly"
    return f"Weakest tag: “{tag.tag}”, {text}."


def _f1(tag: TagFigures) -> float:
    return 1.0 if tag.f1.value is None else tag.f1.value


def _dots(evaluation: Evaluation, figures: SetFigures) -> list[DotRow]:
    if figures.overall.images > MOST_DOTS:
        return []
    if JUDGES[evaluation.classification].by_threshold:
        correct = figures.overall.correct
        return [DotRow("", 0, correct, figures.overall.images - correct)]
    rows = zip(evaluation.tags, figures.confusion.counts, strict=True)
    return [
        DotRow(tag, index % COLOURS, counts[index], sum(counts) - counts[index])
        for index, (tag, counts) in enumerate(rows)
        if sum(counts)
    ]


def _matrix(figures: SetFigures) -> list[list[Cell]]:
    counts = figures.confusion.counts
    if len(counts) > MOST_ROWS_OF_CONFUSION:
        return []
    return [[Cell(count, round(count / max(1, sum(row)), 4)) for count in row] for row in counts]


def _confusions(evaluation: Evaluation, figures: SetFigures) -> list[str]:
    tags, counts = evaluation.tags, figures.confusion.counts
    wrong = (
        (count, tags[true], tags[taken])
        for true, row in enumerate(counts)
        for taken, count in enumerate(row)
        if count and true != taken
    )
    return list(_phrases(sorted(wrong, key=lambda item: (-item[0], item[1:]))[:MOST_CONFUSIONS]))


def _phrases(confusions: Iterable[tuple[int, str, str]]) -> Iterable[str]:
    for count, true, taken in confusions:
        yield f"“{true}” taken for “{taken}”: {count}"


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
    scale: charts.Scale
    lines: list[TagLine]
    tag_scale: charts.Scale | None
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
    scale = charts.learning_scale(kept, ranges=False) if kept else None
    return LearningView(
        sentences=learning.sentences,
        whole=learning.whole,
        scale=charts.learning_scale([learning.whole], ranges=True),
        lines=[_line(each, scale, evaluation.tags) for each in kept] if scale else [],
        tag_scale=scale,
        hidden=len(learning.tags) - len(kept),
        notes=_learning_notes(evaluation, learning),
    )


def _line(series: LearningSeries, scale: charts.Scale, tags: tuple[str, ...]) -> TagLine:
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
