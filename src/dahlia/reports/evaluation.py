"""`reports/evaluation.html`: one file that opens offline, with its styles, charts and thumbnails inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dahlia.dataset.records import ImageRecord
from dahlia.evaluation.figures import Evaluation
from dahlia.evaluation.judges import JUDGES
from dahlia.evaluation.summary import in_words, two_decimals
from dahlia.files import write_text
from dahlia.modeling.predictions import ClassPredictions
from dahlia.reports import charts, page
from dahlia.reports.evaluation_view import calibration_words, curve_views, learning_view, set_view
from dahlia.reports.scenes_view import scenes_view

THUMBNAIL_EDGE = 200
MOST_LABEL_ISSUES = 24
MOST_TAKEN_FOR_NONE = 12


def write_report(
    evaluation: Evaluation,
    predictions: ClassPredictions,
    records: Sequence[ImageRecord],
    root: Path,
    path: Path,
    *,
    title: str = "Evaluation",
) -> None:
    """Write the report, whole or not at all.

    An image that is no longer there, or cannot be read, is shown as an empty frame.

    Args:
        evaluation: what to tell.
        predictions: what it was made of; how many folds and images is told from them.
        records: the manifest, for the images' paths.
        root: the project folder, to which those paths are relative.
        path: the HTML file.
        title: the project's name.
    """
    paths = {record.id: root / record.path for record in records}
    write_text(path, render(evaluation, predictions, thumbnails(paths), title))


def render(
    evaluation: Evaluation,
    predictions: ClassPredictions,
    thumbnail: Callable[[str], str | None],
    title: str,
) -> str:
    """The report as HTML.

    Args:
        evaluation: what to tell.
        predictions: what it was made of.
        thumbnail: image id to a `data:` URI, or None.
        title: the project's name.
    """
    view = _view(evaluation, predictions, title)
    return page.render("evaluation.html", view | {"chart": charts, "thumbnail": thumbnail}, FILTERS)


def _view(evaluation: Evaluation, predictions: ClassPredictions, title: str) -> dict[str, Any]:
    held_out = evaluation.held_out
    return {
        "project": title,
        "evaluation": evaluation,
        "judge": JUDGES[evaluation.classification],
        "held_out": set_view(evaluation, held_out),
        "test": set_view(evaluation, evaluation.test) if evaluation.test else None,
        "curves": curve_views(held_out),
        "calibration_words": calibration_words(held_out.calibration),
        "learning": learning_view(evaluation),
        "scenes": scenes_view(evaluation, predictions),
        "label_issues": evaluation.label_issues[:MOST_LABEL_ISSUES],
        "taken_for_none": (evaluation.taken_for_none or ())[:MOST_TAKEN_FOR_NONE],
        "untagged": int((~predictions.held_out.truth.any(axis=1)).sum()),
    }


def thumbnails(paths: Mapping[str, Path], edge: int = THUMBNAIL_EDGE) -> Callable[[str], str | None]:
    """Image id to a small copy as a `data:` URI, or None where there is no such photo.

    Args:
        paths: image id to file.
        edge: the longer edge of a copy, pixels.
    """

    @cache
    def of(image: str) -> str | None:
        return page.data_uri(paths[image], edge) if image in paths else None

    return of


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _end(value: float) -> str:
    return f"{value:.2f}"


FILTERS: dict[str, Callable[..., str]] = {
    "number": two_decimals,
    "percent": _percent,
    "end": _end,
    "words": in_words,
}
"""How numbers are written in reports of evaluations."""
