"""The evaluation in a few words, a small table, `reports/metrics.json`, and files for `dvc plots`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dahlia.evaluation.figures import Calibration, Curves, Estimate, Evaluation, SetFigures
from dahlia.evaluation.judges import JUDGES
from dahlia.files import staged_directory, write_json
from dahlia.modeling.predictions import ClassPredictions

if TYPE_CHECKING:
    from rich.table import Table


def headline(evaluation: Evaluation, figures: SetFigures) -> tuple[str, str]:
    """How good the model is, and how sure that is: two sentences.

    Args:
        evaluation: says what is counted and with which confidence.
        figures: `evaluation.held_out` or `evaluation.test`.
    """
    overall = figures.overall
    kind = "held-out" if figures is evaluation.held_out else "test"
    photos = "photo" if overall.images == 1 else "photos"
    count = f"{overall.correct} of {overall.images} {kind} {photos}"
    words = JUDGES[evaluation.classification].words
    right = words.one_right if overall.correct == 1 else words.many_right
    return f"{count} {right}", f"The true rate is likely between {rate_range(overall.accuracy)}"


def rate_range(estimate: Estimate) -> str:
    """`87 % and 97 %`: the interval in whole percents, rounded outwards."""
    if estimate.low is None or estimate.high is None:
        return "0 % and 100 %"
    low = math.floor(100 * estimate.low + 1e-6)
    high = math.ceil(100 * estimate.high - 1e-6)
    return f"{low} % and {high} %"


def in_words(estimate: Estimate) -> str:
    """`0.93 [0.81, 0.98]`, or `-` where it is not defined."""
    if estimate.value is None:
        return "-"
    return f"{two_decimals(estimate.value)} [{estimate.low:.2f}, {estimate.high:.2f}]"


def two_decimals(value: float | None) -> str:
    """`0.93`; a value just below 1 keeps the decimals that say so, and None is `-`."""
    if value is None:
        return "-"
    text = f"{value:.2f}"
    if text != "1.00" or value == 1:
        return text
    return f"{value:.3f}" if value < 0.9995 else "0.999+"


def summary_table(evaluation: Evaluation) -> Table:
    """Precision, recall and AP per tag, with intervals and images, under the verdicts; for a terminal."""
    from rich.markup import escape

    overall = evaluation.held_out.overall
    first, second = headline(evaluation, evaluation.held_out)
    title = f"{first}.\n{second}."
    if evaluation.new_scenes:
        title += f"\n{escape(evaluation.new_scenes.sentences[0])}"
    if evaluation.learning:
        title += f"\n{escape(evaluation.learning.sentences[0])}"
    caption = (
        f"held-out images, threshold {evaluation.threshold:g}, "
        rf"\[{100 * evaluation.confidence:g} % interval]"
    )
    table = tag_table(title, caption, "images")
    for tag in evaluation.held_out.tags:
        name = escape(tag.tag) + (" (negative)" if tag.negative else "")
        row = [escape(in_words(each)) for each in (tag.precision, tag.recall, tag.ap)]
        table.add_row(name, str(tag.positives), *row)
    row = [escape(in_words(each)) for each in (overall.precision, overall.recall, overall.ap)]
    table.add_row("all", str(overall.images), *row)
    return table


def tag_table(title: str, caption: str, counted: str) -> Table:
    """A table without rows: tag, what is counted, precision, recall, AP; texts are rich's markup."""
    from rich.table import Table

    table = Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
    table.add_column("tag", overflow="fold")
    for name in (counted, "precision", "recall", "AP"):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def save_metrics(path: Path, evaluation: Evaluation) -> None:
    """Write the flat numbers for `dvc metrics show`; figures that are not defined are left out."""
    overall = evaluation.held_out.overall
    numbers: dict[str, Any] = {
        "images": overall.images,
        "accuracy": overall.accuracy.value,
        "accuracy_low": overall.accuracy.low,
        "accuracy_high": overall.accuracy.high,
        "precision": overall.precision.value,
        "recall": overall.recall.value,
        "f1": overall.f1.value,
        "ap": overall.ap.value,
        "ece": evaluation.held_out.calibration.after.ece,
        "nll": evaluation.held_out.calibration.after.nll,
        "likely_wrong_tags": len(evaluation.label_issues),
        "taken_for_none": None if evaluation.taken_for_none is None else len(evaluation.taken_for_none),
    }
    if evaluation.new_scenes:
        scenes = evaluation.new_scenes
        numbers["new_scenes_accuracy"] = scenes.accuracy.value
        numbers["new_scenes_accuracy_low"] = scenes.accuracy.low
        numbers["new_scenes_accuracy_high"] = scenes.accuracy.high
        numbers["scenes"] = scenes.scenes
    if evaluation.test:
        numbers["test_images"] = evaluation.test.overall.images
        numbers["test_accuracy"] = evaluation.test.overall.accuracy.value
        numbers["test_ap"] = evaluation.test.overall.ap.value
    numbers["tag_ap"] = {
        tag.tag: tag.ap.value for tag in evaluation.held_out.tags if tag.ap.value is not None
    }
    write_json(path, {name: value for name, value in numbers.items() if value is not None})


Row = Sequence[str | float]
CONFUSION_HEADER = ("actual", "predicted")
PR_HEADER = ("series", "order", "recall", "precision")
ROC_HEADER = ("series", "order", "false_positive_rate", "true_positive_rate")
RELIABILITY_HEADER = ("series", "order", "confidence", "accuracy", "images")
LEARNING_HEADER = ("series", "order", "share", "right", "low", "high", "photos")


def save_plots(folder: Path, evaluation: Evaluation, predictions: ClassPredictions) -> None:
    """Write `confusion.csv`, `pr.csv`, `roc.csv`, `calibration.csv` and `learning_curve.csv`.

    `confusion.csv` has a row per image (multilabel: per image and tag) with the columns actual and
    predicted. The others have a row per point with the columns series (a tag; all photos; before, after or
    ideal), order (along the line) and the two coordinates; the Vega template `per_tag.json` draws them, a
    colour per series. All are of held-out images. The folder appears whole or not at all.
    """
    with staged_directory(folder) as staged:
        held_out = predictions.held_out.by_id()
        pairs = JUDGES[held_out.kind].pairs(held_out, evaluation.threshold)
        write_rows(staged / "confusion.csv", CONFUSION_HEADER, pairs)
        write_rows(
            staged / "pr.csv",
            PR_HEADER,
            _along(evaluation.held_out.curves, "recall", "precision"),
        )
        write_rows(
            staged / "roc.csv",
            ROC_HEADER,
            _along(evaluation.held_out.curves, "false_positive_rate", "true_positive_rate"),
        )
        write_rows(
            staged / "calibration.csv",
            RELIABILITY_HEADER,
            reliability_rows(evaluation.held_out.calibration),
        )
        write_rows(
            staged / "learning_curve.csv",
            LEARNING_HEADER,
            _learned(evaluation),
        )


def _along(curves: Sequence[Curves], x_name: str, y_name: str) -> Iterable[Row]:
    for curve in curves:
        points = zip(getattr(curve, x_name), getattr(curve, y_name), strict=True)
        for order, (x, y) in enumerate(points):
            yield curve.tag, order, x, y


def reliability_rows(calibration: Calibration) -> Iterable[Row]:
    """The bins before and after calibration, and the ideal line."""
    for series, reliability in (("before", calibration.before), ("after", calibration.after)):
        for order, each in enumerate(reliability.bins):
            yield series, order, each.confidence, each.accuracy.value or 0.0, each.accuracy.images
    yield from (("ideal", 0, 0.0, 0.0, 0), ("ideal", 1, 1.0, 1.0, 0))


def _learned(evaluation: Evaluation) -> Iterable[Row]:
    learning = evaluation.learning
    for each in (learning.whole, *learning.tags) if learning else ():
        for order, point in enumerate(each.points):
            series = "all photos" if each.tag is None else each.tag
            yield series, order, point.share, point.value, point.low, point.high, point.images


def write_rows(path: Path, header: tuple[str, ...], rows: Iterable[Row]) -> None:
    """Write a file for `dvc plots`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
