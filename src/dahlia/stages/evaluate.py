"""Stage `evaluate`: held-out predictions in, figures and the report out."""

from __future__ import annotations

from pathlib import Path

from dahlia.config import Params
from dahlia.dataset.manifest import load_manifest
from dahlia.evaluation.evaluation import evaluate, save_evaluation
from dahlia.evaluation.plots import save_plots
from dahlia.evaluation.report import write_report
from dahlia.evaluation.summary import save_metrics, summary_table
from dahlia.modeling.predictions import load_predictions


def run(params: Params, root: Path) -> None:
    """Judge `models/predictions.parquet`; write `reports/` and print the summary.

    Everything is computed before anything is written.

    Args:
        params: `evaluate` and `project` are used.
        root: the project folder.

    Raises:
        DatasetError: predictions or manifest are missing or damaged.
        EvaluationError: the predictions cannot be judged.
    """
    from rich.console import Console

    predictions = load_predictions(root / "models" / "predictions.parquet")
    records = load_manifest(root / "data" / "dataset" / "manifest.parquet")
    evaluation = evaluate(
        predictions,
        params.evaluate,
        seed=params.project.seed,
        negative_tag=params.project.negative_tag,
        records=records,
    )
    reports = root / "reports"
    title = params.project.name
    write_report(evaluation, predictions, records, root, reports / "evaluation.html", title=title)
    save_plots(reports / "plots", evaluation, predictions)
    save_evaluation(reports / "evaluation.json", evaluation)
    save_metrics(reports / "metrics.json", evaluation)
    Console().print(summary_table(evaluation))
