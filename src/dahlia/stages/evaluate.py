"""Stage `evaluate`: held-out predictions in, figures and the report out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia import layout
from dahlia.dataset.manifest import load_manifest
from dahlia.evaluation.detection.evaluation import evaluate_detector, save_box_evaluation
from dahlia.evaluation.detection.summary import box_summary_table, save_box_metrics, save_box_plots
from dahlia.evaluation.evaluation import evaluate, save_evaluation
from dahlia.evaluation.summary import save_metrics, save_plots, summary_table
from dahlia.imports import quick_imports
from dahlia.kinds import Kind
from dahlia.modeling.box_curve import load_box_curve
from dahlia.modeling.box_predictions import load_box_predictions
from dahlia.modeling.predictions import load_learning_curve, load_predictions
from dahlia.params import Params
from dahlia.reports.box_report import write_box_report
from dahlia.reports.evaluation import write_report

if TYPE_CHECKING:
    from rich.table import Table


def run(params: Params, root: Path) -> None:
    """Judge `models/predictions.parquet`; write `reports/` and print the summary.

    Everything is computed before anything is written.

    Args:
        params: `evaluate` and `project` are used, and what follows from `domain.task`.
        root: the project folder.

    Raises:
        DatasetError: predictions or manifest are missing or damaged.
        TrainingError: the learning curve is.
        EvaluationError: the predictions cannot be judged.
    """
    from rich.console import Console

    Console().print(EVALUATORS[params.kind](params, root))


def evaluate_tags(params: Params, root: Path) -> Table:
    """Of predictions of tags; gives the summary."""
    with quick_imports():  # what judging needs below
        import sklearn.metrics  # noqa: F401

    predictions = load_predictions(root / layout.PREDICTIONS)
    records = load_manifest(root / layout.MANIFEST)
    curve = load_learning_curve(root / layout.LEARNING_CURVE)
    evaluation = evaluate(
        predictions,
        params.evaluate,
        seed=params.project.seed,
        negative_tag=params.project.negative_tag,
        records=records,
        curve=curve,
    )
    title = params.project.name
    write_report(evaluation, predictions, records, root, root / layout.EVALUATION_PAGE, title=title)
    save_plots(root / layout.PLOTS, evaluation, predictions)
    save_evaluation(root / layout.EVALUATION, evaluation)
    save_metrics(root / layout.METRICS, evaluation)
    return summary_table(evaluation)


def evaluate_boxes(params: Params, root: Path) -> Table:
    """Of found boxes; gives the summary."""
    predictions = load_box_predictions(root / layout.PREDICTIONS)
    records = load_manifest(root / layout.MANIFEST)
    curve = load_box_curve(root / layout.LEARNING_CURVE)
    evaluation = evaluate_detector(
        predictions,
        params.evaluate,
        seed=params.project.seed,
        records=records,
        curve=[(point.photos, point.average_precision) for point in curve.points],
    )
    title = params.project.name
    write_box_report(evaluation, predictions, records, root, root / layout.EVALUATION_PAGE, title=title)
    save_box_plots(root / layout.PLOTS, evaluation)
    save_box_evaluation(root / layout.EVALUATION, evaluation)
    save_box_metrics(root / layout.METRICS, evaluation)
    return box_summary_table(evaluation)


EVALUATORS: dict[Kind, Callable[[Params, Path], Table]] = {
    "multiclass": evaluate_tags,
    "multilabel": evaluate_tags,
    "detection": evaluate_boxes,
}
