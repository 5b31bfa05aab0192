"""What the report of a detector shows: figures chosen, ordered and put into words; no markup."""

from __future__ import annotations

from dataclasses import dataclass

from dahlia.evaluation.detection.figures import (
    BoxEvaluation,
    BoxSetFigures,
    Fault,
)
from dahlia.evaluation.detection.summary import headline
from dahlia.reports import charts
from dahlia.reports.evaluation_view import (
    COLOURS,
    MOST_CONFUSIONS,
    MOST_CURVES,
    MOST_DOTS,
    MOST_ROWS_OF_CONFUSION,
    Cell,
    Curve,
)

FAULTS: dict[Fault, str] = {
    "missed": "missed",
    "nothing_there": "nothing there",
    "wrong_tag": "wrong tag",
    "misplaced": "overlaps too little",
    "duplicate": "found twice",
}


@dataclass(frozen=True)
class BoxDots:
    """A dot per box: those found, those missed, and those found wrongly."""

    name: str
    colour: int
    found: int
    missed: int
    false: int


@dataclass(frozen=True)
class FaultBar:
    """How many boxes went wrong in a way, and what share of the drawn ones that is, at most 1."""

    name: str
    count: int
    share: float


@dataclass(frozen=True)
class BoxSetView:
    """One set of photos as the report shows it."""

    figures: BoxSetFigures
    first: str
    second: str
    weakest: str
    dots: list[BoxDots]
    matrix: list[list[Cell]]
    confusions: list[str]
    faults: list[FaultBar]
    photos: str


def box_set_view(evaluation: BoxEvaluation, figures: BoxSetFigures) -> BoxSetView:
    """Put one set of photos into words and rows."""
    first, second = headline(evaluation, figures)
    return BoxSetView(
        figures=figures,
        first=first,
        second=second,
        weakest=_weakest(figures),
        dots=_dots(figures),
        matrix=_matrix(figures),
        confusions=_confusions(evaluation, figures),
        faults=_fault_bars(figures),
        photos=_photos(figures),
    )


def box_curve_views(figures: BoxSetFigures) -> list[Curve]:
    """The precision/recall curves, those of the lowest average precision where there are many."""
    defined = [
        Curve(tag.tag, charts.step_path(curve), index % COLOURS, index >= COLOURS, tag.ap.value)
        for index, (tag, curve) in enumerate(zip(figures.tags, figures.curves, strict=True))
        if tag.ap.value is not None
    ]
    kept = sorted(defined, key=lambda curve: curve.ap)[:MOST_CURVES]
    return [curve for curve in defined if curve in kept]


def _weakest(figures: BoxSetFigures) -> str:
    tags = [tag for tag in figures.tags if tag.boxes]
    if len(tags) < 2:
        return ""
    if all(tag.correct == tag.boxes == tag.predicted for tag in tags):
        return "No box was missed and none was found wrongly."
    tag = min(tags, key=lambda each: 1.0 if each.f1.value is None else each.f1.value)
    false = tag.predicted - tag.correct
    alarms = f", {false} false alarm{'' if false == 1 else 's'}" if false else ""
    return f"Weakest tag: “{tag.tag}”, {tag.correct} of its {tag.boxes} boxes found{alarms}."


def _photos(figures: BoxSetFigures) -> str:
    overall = figures.overall
    number = f"{overall.images} photo{'' if overall.images == 1 else 's'}"
    right = f"{overall.correct_images} of {number} {_are(overall.correct_images)} right in every box"
    return f"{right}; {overall.empty} {_are(overall.empty)} without a box." if overall.empty else f"{right}."


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _dots(figures: BoxSetFigures) -> list[BoxDots]:
    if figures.overall.boxes + figures.overall.predicted - figures.overall.correct > MOST_DOTS:
        return []
    return [
        BoxDots(tag.tag, index % COLOURS, tag.correct, tag.boxes - tag.correct, tag.predicted - tag.correct)
        for index, tag in enumerate(figures.tags)
        if tag.boxes or tag.predicted
    ]


def _matrix(figures: BoxSetFigures) -> list[list[Cell]]:
    counts = figures.confusion.counts
    if len(counts) > MOST_ROWS_OF_CONFUSION:
        return []
    return [[Cell(count, round(count / max(1, sum(row)), 4)) for count in row] for row in counts]


def _confusions(evaluation: BoxEvaluation, figures: BoxSetFigures) -> list[str]:
    tags, counts = evaluation.tags, figures.confusion.counts
    wrong = [
        (-counts[true][taken], tags[true], tags[taken])
        for true in range(len(tags))
        for taken in range(len(tags))
        if true != taken and counts[true][taken]
    ]
    return [
        f"“{true}” taken for “{taken}”: {-count}" for count, true, taken in sorted(wrong)[:MOST_CONFUSIONS]
    ]


def _fault_bars(figures: BoxSetFigures) -> list[FaultBar]:
    counts = {FAULTS[fault]: figures.overall.faults.get(fault, 0) for fault in FAULTS}
    boxes = max(1, figures.overall.boxes)
    return [FaultBar(name, count, min(1.0, count / boxes)) for name, count in counts.items()]
