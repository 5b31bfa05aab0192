"""Recording an iteration: one MLflow run and one version in the registry, whole or not at all.

The version is created last. Until then the run is not an iteration: commands do not see it, and the next
recording deletes it once the process that wrote it is gone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia import layout
from dahlia.files import write_json
from dahlia.modeling.card import ModelCard
from dahlia.params import Params
from dahlia.provenance import git_revision
from dahlia.tracking import iteration as tags
from dahlia.tracking.abandoned import delete_abandoned, recorder_tags
from dahlia.tracking.evidence import TAG_METRICS, TIME_METRICS, Evidence, gather
from dahlia.tracking.iteration import Iteration
from dahlia.tracking.mlflow_model import create_model, link_version, upload_model
from dahlia.tracking.registry import Registry
from dahlia.tracking.store import connect, files_folder, open_experiment, tracking_uri, translated_errors
from dahlia.tracking.tables import note

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel


_BATCH = 100  # MLflow's limit on parameters in one request; metrics may be 1000
_TAG_WEIGHTS, _TAG_REASON = "dahlia.weights", "dahlia.weights_reason"
TAG_OVERRIDES, TAG_SWEEP = "dahlia.overrides", "dahlia.sweep"
_REPORTS = "reports"


def record(root: Path, params: Params) -> Iteration:
    """Record what the pipeline made in `root`, unless an iteration holds exactly that already.

    Returns:
        The new iteration, or the one with the same fingerprint. `reports/iteration.json` names it.

    Raises:
        TrackingError: something to record is missing, or the store cannot be written.
    """
    root = root.resolve()
    evidence = gather(root, params)
    registry = Registry.of(root, params)
    client = connect(registry.uri, registry.root, create=True)
    with translated_errors("Recording the iteration"):
        experiment = _prepare(client, registry)
        whole = {known.run_id for known in registry.iterations()}
        delete_abandoned(client, experiment, whole, files_folder(registry.uri, registry.root))
        found = registry.find(evidence.fingerprint)
        iteration = found or registry.get(_write(client, experiment, evidence, registry, root))
    _write_report(root / layout.ITERATION, iteration)
    return iteration


def _prepare(client: MlflowClient, registry: Registry) -> str:
    from mlflow.exceptions import MlflowException

    identifier = open_experiment(client, registry.project, registry.uri, registry.root)
    try:
        client.create_registered_model(registry.project)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return identifier


def _write(client: MlflowClient, experiment: str, evidence: Evidence, registry: Registry, root: Path) -> int:
    number = max((known.number for known in registry.iterations()), default=0) + 1
    name = f"Iteration {number}"
    began, ended = _training_time(evidence)
    run = client.create_run(experiment, began, _run_tags(evidence, root), name)
    identifier = run.info.run_id
    try:
        model = create_model(client, experiment, identifier, name, evidence)
        log_figures(client, identifier, evidence, model)
        _log_dataset(client, identifier, evidence)
        for path, folder in evidence.files:
            _log_files(client, identifier, path, folder)
        client.set_tag(identifier, "mlflow.note.content", note(evidence, number))
        upload_model(client, model, evidence)
        client.set_terminated(identifier, "FINISHED", ended)
    except BaseException:
        client.set_terminated(identifier, "FAILED")
        raise
    version = client.create_model_version(
        registry.project,
        source=model.artifact_location,  # as `models:/<id>`, MLflow would look in its default store
        run_id=identifier,
        tags={tags.TAG_FINGERPRINT: evidence.fingerprint, tags.TAG_MODEL: model.model_id},
        description=note(evidence, number),
        model_id=model.model_id,
    )
    link_version(client, model, registry.project, int(version.version))
    if int(version.version) != number:  # another recording came first
        client.update_run(identifier, name=f"Iteration {version.version}")
    return int(version.version)


def _training_time(evidence: Evidence) -> tuple[int, int | None]:
    """When training began and ended, milliseconds since 1970; the present where that is not known."""
    trained = evidence.times.get("train")
    if trained is None:
        return int(time.time() * 1000), None
    return int(trained.began * 1000), int(trained.ended * 1000)


def _run_tags(evidence: Evidence, root: Path) -> dict[str, str]:
    revision, dirty = git_revision(root)
    backbone = evidence.card.backbone
    values = {
        tags.TAG_DOMAIN: evidence.card.domain,
        tags.TAG_CLASSIFICATION: evidence.card.classification,
        tags.TAG_IMAGES: str(evidence.card.training.images),
        tags.TAG_FINGERPRINT: evidence.fingerprint,
        tags.TAG_DATA: evidence.card.data_fingerprint,
        _TAG_WEIGHTS: backbone.source or backbone.weights,
        "mlflow.source.name": "dvc repro",
        **recorder_tags(),
    }
    if backbone.reason:
        values[_TAG_REASON] = backbone.reason
    if revision:
        values |= {tags.TAG_REVISION: revision, tags.TAG_DIRTY: str(dirty).lower()}
    return values


def log_figures(
    client: MlflowClient, run_id: str, evidence: Evidence, model: LoggedModel | None = None
) -> None:
    """Write parameters, metrics, curves and times into a run, within MLflow's limits on one request.

    Args:
        client: of the store.
        run_id: the run.
        evidence: what to write.
        model: that the metrics are of, where it is kept; they are then its metrics too.
    """
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    parameters = [Param(key, value) for key, value in evidence.parameters.items()]
    of = _subject(model, run_id, evidence.card) if model else {}
    metrics = [Metric(key, value, now, 0, **of) for key, value in evidence.metrics.items()]
    metrics += [Metric(TIME_METRICS + key, one.seconds, now, 0) for key, one in evidence.times.items()]
    metrics += [
        Metric(f"training/{curve.name}", value, now, step)
        for curve in evidence.curves
        for step, value in curve.points
    ]
    for start in range(0, max(len(parameters), len(metrics)), _BATCH):
        window = slice(start, start + _BATCH)
        client.log_batch(run_id, metrics=metrics[window], params=parameters[window])


def _subject(model: LoggedModel, run_id: str, card: ModelCard) -> dict[str, str]:
    """What a metric is of, in MLflow's words."""
    dataset = {"dataset_name": card.project, "dataset_digest": _digest(card)}
    return {"model_id": model.model_id, "run_id": run_id, **dataset}


def _digest(card: ModelCard) -> str:
    return card.data_fingerprint[:36]  # MLflow's limit


def _log_dataset(client: MlflowClient, run_id: str, evidence: Evidence) -> None:
    import json

    from mlflow.entities import Dataset, DatasetInput, InputTag

    card = evidence.card
    profile = {"images": card.training.images, "tags": [tag.name for tag in card.tags]}
    dataset = Dataset(
        name=card.project,
        digest=_digest(card),
        source_type="local",
        source=json.dumps({"fingerprint": card.data_fingerprint}),
        profile=json.dumps(profile),
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _log_files(client: MlflowClient, run_id: str, path: Path, folder: str) -> None:
    if path.is_dir():
        target = folder if path.name == folder or folder == "bundle" else f"{folder}/{path.name}"
        client.log_artifacts(run_id, str(path), target)
    else:
        client.log_artifact(run_id, str(path), folder)


def _write_report(path: Path, iteration: Iteration) -> None:
    figures = {
        key: value
        for key, value in sorted(iteration.metrics.items())
        if not key.startswith((TAG_METRICS, TIME_METRICS))
    }
    write_json(
        path,
        {
            "number": iteration.number,
            "id": iteration.id,
            "name": f"Iteration {iteration.number}",
            "fingerprint": iteration.fingerprint,
            "domain": iteration.domain,
            "classification": iteration.classification,
            "images": iteration.images,
            "metrics": figures,
        },
    )


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
