"""The evaluation of a detector in a few words, a small table, flat numbers, and files for `dvc plots`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dahlia.evaluation.detection.figures import (
    BoxConfusion,
    BoxEvaluation,
    BoxLearning,
    BoxSetFigures,
    TagCurve,
)
from dahlia.evaluation.summary import (
    CONFUSION_HEADER,
    LEARNING_HEADER,
    PR_HEADER,
    RELIABILITY_HEADER,
    ROC_HEADER,
    Row,
    in_words,
    rate_range,
    reliability_rows,
    tag_table,
    two_decimals,
    write_rows,
)
from dahlia.files import staged_directory, write_json

if TYPE_CHECKING:
    from rich.table import Table

MISSED, NOTHING = "(missed)", "(no drawn box)"  # beside tags, none of which may be called so by chance
LONGEST_TAG = 30  # letters of it in the table, which leaves most terminals room; the ends tell tags apart


def headline(evaluation: BoxEvaluation, figures: BoxSetFigures) -> tuple[str, str]:
    """How much is found, how much of nothing, and how sure that is: two sentences without their points.

    Args:
        evaluation: says whose photos they are.
        figures: `evaluation.held_out` or `evaluation.test`.
    """
    overall = figures.overall
    kind = "held-out" if figures is evaluation.held_out else "test"
    false = overall.predicted - overall.correct
    alarms = f"{false if false else 'no'} false alarm{'' if false == 1 else 's'}"
    if not overall.boxes:
        photos = f"{overall.images} {kind} photo{'' if overall.images == 1 else 's'}"
        return f"No box is drawn in {photos}; {alarms}", "How many boxes it would find cannot be told"
    boxes = "box" if overall.boxes == 1 else "boxes"
    first = f"{overall.correct} of {overall.boxes} {kind} {boxes} found, {alarms}"
    return first, f"Mean average precision is likely between {rate_range(overall.map50)}"


def box_summary_table(evaluation: BoxEvaluation) -> Table:
    """Precision, recall and AP per tag, with intervals and boxes, under the verdict; for a terminal."""
    from rich.markup import escape

    overall = evaluation.held_out.overall
    title = [*headline(evaluation, evaluation.held_out), _means(evaluation.held_out)]
    if evaluation.learning:
        title.append(evaluation.learning.sentence.removesuffix("."))
    caption = (
        f"held-out boxes, threshold {evaluation.threshold:g}, overlap {evaluation.overlap:g}; "
        rf"AP at 0.5; \[{100 * evaluation.confidence:g} % interval]"
    )
    table = tag_table("\n".join(f"{escape(line)}." for line in title), caption, "boxes")
    for tag in evaluation.held_out.tags:
        row = [escape(in_words(each)) for each in (tag.precision, tag.recall, tag.ap50)]
        table.add_row(escape(_cut(tag.tag)), str(tag.boxes), *row)
    row = [escape(in_words(each)) for each in (overall.precision, overall.recall, overall.map50)]
    table.add_row("all", str(overall.boxes), *row)
    return table


def _cut(tag: str) -> str:
    if len(tag) <= LONGEST_TAG:
        return tag
    end = (LONGEST_TAG - 1) // 2
    return f"{tag[: LONGEST_TAG - 1 - end].rstrip()}…{tag[-end:].lstrip()}"


def _means(figures: BoxSetFigures) -> str:
    overall = figures.overall
    named = {"mAP@30": overall.map30, "mAP@50": overall.map50, "mAP@50:95": overall.map}
    return ", ".join(f"{name} {two_decimals(each.value)}" for name, each in named.items())


def save_box_metrics(path: Path, evaluation: BoxEvaluation) -> None:
    """Write the flat numbers for `dvc metrics show`; figures that are not defined are left out."""
    overall, calibration = evaluation.held_out.overall, evaluation.held_out.calibration
    numbers: dict[str, Any] = {
        "images": overall.images,
        "boxes": overall.boxes,
        "map50": overall.map50.value,
        "map50_low": overall.map50.low,
        "map50_high": overall.map50.high,
        "map30": overall.map30.value,
        "map": overall.map.value,
        "map_low": overall.map.low,
        "map_high": overall.map.high,
        "precision": overall.precision.value,
        "recall": overall.recall.value,
        "f1": overall.f1.value,
        "ece": calibration and calibration.after.ece,
        "nll": calibration and calibration.after.nll,
        "likely_wrong_boxes": len(evaluation.label_issues),
    }
    if evaluation.test:
        tested = evaluation.test.overall
        numbers["test_images"] = tested.images
        numbers["test_boxes"] = tested.boxes
        numbers["test_map50"] = tested.map50.value
        numbers["test_map"] = tested.map.value
    numbers["tag_ap"] = {
        tag.tag: tag.ap50.value for tag in evaluation.held_out.tags if tag.ap50.value is not None
    }
    write_json(path, {name: value for name, value in numbers.items() if value is not None})


def save_box_plots(folder: Path, evaluation: BoxEvaluation) -> None:
    """Write the files of `dahlia.evaluation.summary.save_plots`, of held-out boxes.

    `confusion.csv` has a row per box that is drawn, found, or both. In `learning_curve.csv`, what is right is
    mean average precision. `roc.csv` has a header alone: places without an object cannot be counted. The
    folder appears whole or not at all.
    """
    held_out = evaluation.held_out
    calibration = held_out.calibration
    with staged_directory(folder) as staged:
        write_rows(staged / "confusion.csv", CONFUSION_HEADER, _pairs(evaluation.tags, held_out.confusion))
        write_rows(staged / "pr.csv", PR_HEADER, _curves(held_out.curves))
        write_rows(staged / "roc.csv", ROC_HEADER, ())
        bins = reliability_rows(calibration) if calibration else ()
        write_rows(staged / "calibration.csv", RELIABILITY_HEADER, bins)
        write_rows(staged / "learning_curve.csv", LEARNING_HEADER, _learned(evaluation.learning))


def _pairs(tags: tuple[str, ...], confusion: BoxConfusion) -> Iterable[Row]:
    for actual, row in zip((*tags, NOTHING), confusion.counts, strict=True):
        for predicted, count in zip((*tags, MISSED), row, strict=True):
            yield from [(actual, predicted)] * count


def _learned(learning: BoxLearning | None) -> Iterable[Row]:
    points = learning.points if learning else ()
    for order, point in enumerate(points):
        share = point.images / points[-1].images
        yield "all photos", order, share, point.map50, point.map50, point.map50, point.images


def _curves(curves: Iterable[TagCurve]) -> Iterable[Row]:
    for curve in curves:
        for order, (recall, precision) in enumerate(zip(curve.recall, curve.precision, strict=True)):
            yield curve.tag, order, recall, precision
