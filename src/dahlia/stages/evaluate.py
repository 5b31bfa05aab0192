"""Stage `evaluate`: held-out predictions in, figures and the report out."""

from __future__ import annotations

from pathlib import Path

from dahlia import layout
from dahlia.dataset.manifest import load_manifest
from dahlia.evaluation.evaluation import evaluate, save_evaluation
from dahlia.evaluation.summary import save_metrics, save_plots, summary_table
from dahlia.imports import quick_imports
from dahlia.modeling.predictions import load_learning_curve, load_predictions
from dahlia.params import Params
from dahlia.reports.evaluation import write_report


def run(params: Params, root: Path) -> None:
    """Judge `models/predictions.parquet`; write `reports/` and print the summary.

    Everything is computed before anything is written.

    Args:
        params: `evaluate` and `project` are used.
        root: the project folder.

    Raises:
        DatasetError: predictions or manifest are missing or damaged.
        TrainingError: the learning curve is.
        EvaluationError: the predictions cannot be judged.
    """
    from rich.console import Console

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
    Console().print(summary_table(evaluation))
