"""`reports/evaluation.html`: one file that opens offline, with its styles, charts and thumbnails inside."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dahlia.dataset.records import ImageRecord
from dahlia.errors import ImageError
from dahlia.evaluation import drawing
from dahlia.evaluation.figures import Evaluation
from dahlia.evaluation.judges import JUDGES
from dahlia.evaluation.learning_view import learning_view
from dahlia.evaluation.summary import in_words, two_decimals
from dahlia.evaluation.view import calibration_words, curve_views, set_view
from dahlia.files import write_text
from dahlia.modeling.predictions import ClassPredictions

THUMBNAIL_EDGE = 200
MOST_LABEL_ISSUES = 24


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
    write_text(path, render(evaluation, predictions, _thumbnails(paths), title))


def render(
    evaluation: Evaluation,
    predictions: ClassPredictions,
    thumbnail: Callable[[str], str | None],
    title: str,
) -> str:
    """The report as HTML; every text in it is escaped.

    Args:
        evaluation: what to tell.
        predictions: what it was made of.
        thumbnail: image id to a `data:` URI, or None.
        title: the project's name.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("dahlia.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"number": two_decimals, "percent": _percent, "end": _end, "words": in_words}
    templates.globals |= {"chart": drawing, "thumbnail": thumbnail}
    return templates.get_template("evaluation.html").render(**_view(evaluation, predictions, title))


def _view(evaluation: Evaluation, predictions: ClassPredictions, title: str) -> dict[str, Any]:
    held_out = evaluation.held_out
    return {
        "title": title,
        "evaluation": evaluation,
        "judge": JUDGES[evaluation.classification],
        "held_out": set_view(evaluation, held_out),
        "test": set_view(evaluation, evaluation.test) if evaluation.test else None,
        "curves": curve_views(held_out),
        "calibration_words": calibration_words(held_out),
        "learning": learning_view(evaluation),
        "label_issues": evaluation.label_issues[:MOST_LABEL_ISSUES],
        "untagged": int((~predictions.held_out.truth.any(axis=1)).sum()),
    }


def _thumbnails(paths: dict[str, Path]) -> Callable[[str], str | None]:
    from dahlia.dataset.imaging import thumbnail

    made: dict[str, str | None] = {}

    def of(image: str) -> str | None:
        if image not in made:
            try:
                small = thumbnail(paths[image].read_bytes(), THUMBNAIL_EDGE)
                made[image] = "data:image/jpeg;base64," + base64.b64encode(small).decode("ascii")
            except (KeyError, OSError, ImageError):
                made[image] = None
        return made[image]

    return of


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _end(value: float) -> str:
    return f"{value:.2f}"
