"""Data files for `dvc plots`, in `reports/plots/`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from dahlia.evaluation.figures import Curves, Evaluation
from dahlia.evaluation.judges import JUDGES
from dahlia.files import staged_directory
from dahlia.modeling.predictions import ClassPredictions

Row = Sequence[str | float]


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
        _write(staged / "confusion.csv", ("actual", "predicted"), pairs)
        _write(
            staged / "pr.csv",
            ("series", "order", "recall", "precision"),
            _along(evaluation.held_out.curves, "recall", "precision"),
        )
        _write(
            staged / "roc.csv",
            ("series", "order", "false_positive_rate", "true_positive_rate"),
            _along(evaluation.held_out.curves, "false_positive_rate", "true_positive_rate"),
        )
        _write(
            staged / "calibration.csv",
            ("series", "order", "confidence", "accuracy", "images"),
            _reliability(evaluation),
        )
        _write(
            staged / "learning_curve.csv",
            ("series", "order", "share", "right", "low", "high", "photos"),
            _learned(evaluation),
        )


def _along(curves: Sequence[Curves], x_name: str, y_name: str) -> Iterable[Row]:
    for curve in curves:
        points = zip(getattr(curve, x_name), getattr(curve, y_name), strict=True)
        for order, (x, y) in enumerate(points):
            yield curve.tag, order, x, y


def _reliability(evaluation: Evaluation) -> Iterable[Row]:
    calibration = evaluation.held_out.calibration
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


def _write(path: Path, header: tuple[str, ...], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
