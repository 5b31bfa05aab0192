"""`reports/evaluation.html` of a detector: of the same style as a classifier's, with the boxes drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dahlia.dataset.records import ImageRecord
from dahlia.evaluation.detection.figures import BoxEvaluation, BoxLearning, BoxLearningPoint
from dahlia.files import write_text
from dahlia.modeling.box_predictions import BoxPredictions
from dahlia.reports import charts, page
from dahlia.reports.box_pictures import Pictures
from dahlia.reports.box_view import box_curve_views, box_set_view
from dahlia.reports.boxes import EDGE
from dahlia.reports.evaluation import FILTERS, MOST_LABEL_ISSUES, thumbnails
from dahlia.reports.evaluation_view import calibration_words


def write_box_report(
    evaluation: BoxEvaluation,
    predictions: BoxPredictions,
    records: Sequence[ImageRecord],
    root: Path,
    path: Path,
    *,
    title: str = "Evaluation",
) -> None:
    """Write the report, whole or not at all.

    A photo that is no longer there, or cannot be read, is an empty frame with its boxes.

    Args:
        evaluation: what to tell.
        predictions: what it was made of; the boxes in the pictures are theirs.
        records: the manifest, for the photos' paths and sizes.
        root: the project folder, to which those paths are relative.
        path: the HTML file.
        title: the project's name.
    """
    shown = thumbnails({record.id: root / record.path for record in records}, EDGE)
    write_text(path, render(evaluation, predictions, records, shown, title))


def render(
    evaluation: BoxEvaluation,
    predictions: BoxPredictions,
    records: Sequence[ImageRecord],
    thumbnail: Callable[[str], str | None],
    title: str,
) -> str:
    """The report as HTML.

    Args:
        evaluation: what to tell.
        predictions: what it was made of.
        records: the manifest.
        thumbnail: image id to a `data:` URI, or None.
        title: the project's name.
    """
    pictures = Pictures(predictions, evaluation, records, thumbnail)
    return page.render("box_evaluation.html", _view(evaluation, pictures, title), FILTERS)


def _view(evaluation: BoxEvaluation, pictures: Pictures, title: str) -> dict[str, Any]:
    held_out, test = evaluation.held_out, evaluation.test
    calibration = held_out.calibration
    return {
        "project": title,
        "chart": charts,
        "thumbnail": None,
        "evaluation": evaluation,
        "held_out": box_set_view(evaluation, held_out),
        "test": box_set_view(evaluation, test) if test else None,
        "curves": box_curve_views(held_out),
        "calibration_words": calibration_words(calibration, "boxes") if calibration else "",
        "learning": _learning(evaluation.learning),
        "overlap_path": charts.overlap_path(held_out.by_overlap),
        "label_issues": pictures.label_issues(evaluation.label_issues[:MOST_LABEL_ISSUES]),
        "mistakes": pictures.mistakes(held_out.mistakes),
        "test_mistakes": pictures.mistakes(test.mistakes) if test else [],
    }


@dataclass(frozen=True)
class _LearningView:
    sentence: str
    points: Sequence[BoxLearningPoint]
    scale: charts.Scale
    path: str


def _learning(learning: BoxLearning | None) -> _LearningView | None:
    if learning is None:
        return None
    points = [(point.images, point.map50) for point in learning.points]
    scale = charts.scale_for(points[-1][0], min(value for _, value in points))
    return _LearningView(learning.sentence, learning.points, scale, scale.through(points))
