"""Recording a trial: an MLflow run beside the iterations, in an experiment of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dahlia.params import Params
from dahlia.tracking.evidence import gather
from dahlia.tracking.record import log_figures
from dahlia.tracking.store import connect, open_experiment, tracking_uri, translated_errors

TAG_OVERRIDES, TAG_SWEEP = "dahlia.overrides", "dahlia.sweep"
_REPORTS = "reports"


def experiment_name(project: str) -> str:
    """The experiment that holds a project's trials."""
    return f"{project} trials"


def record_trial(
    root: Path, workspace: Path, params: Params, overrides: Sequence[str], *, sweep: str, began: float
) -> dict[str, float]:
    """Record what training and judging wrote into `workspace`; the model itself is not kept.

    Args:
        root: the project folder, whose store is used.
        workspace: where the trial's files are.
        params: the trial's.
        overrides: what makes them.
        sweep: name that the trials of one command share.
        began: when training began, seconds since 1970.

    Returns:
        The metrics of the whole model.

    Raises:
        TrackingError: something to record is missing, or the store cannot be written.
    """
    evidence = gather(workspace, params, exported=False)
    client = connect(tracking_uri(params), root, create=True)
    told = " ".join(overrides)
    with translated_errors("Recording the trial"):
        experiment = open_experiment(client, experiment_name(params.project.name), tracking_uri(params), root)
        tags = {TAG_OVERRIDES: told, TAG_SWEEP: sweep, "mlflow.source.name": "dahlia trial"}
        run = client.create_run(experiment, int(began * 1000), tags, told or "as it is").info.run_id
        try:
            log_figures(client, run, evidence)
            for path, folder in evidence.files:
                if folder == _REPORTS and path.is_file():
                    client.log_artifact(run, str(path), folder)
        except BaseException:
            client.set_terminated(run, "FAILED")
            raise
        client.set_terminated(run, "FINISHED")
    return {key: value for key, value in evidence.metrics.items() if "/" not in key}
